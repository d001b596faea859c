"""Watching layers: whether one has changed, and whether it is complete."""
