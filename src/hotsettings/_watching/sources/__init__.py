"""Layers while they are watched: when each may be read, and the content that was read last."""
