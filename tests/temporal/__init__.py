"""What is particular to the temporal layers."""
