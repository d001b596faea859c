"""One module for each command: what it takes, does and prints."""
