"""How a new state becomes the live snapshot, or a rejection."""
