"""The suite: run once per backend, each in its own process."""
