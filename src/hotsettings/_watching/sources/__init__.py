"""Layers as they are watched: when each may be read, and what it held when it was read last."""
