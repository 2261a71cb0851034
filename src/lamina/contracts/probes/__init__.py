"""What is promised: the contracts."""
