"""Layers, where values come from: the bytes of a file or a store go in, Documents come out."""
