"""Where values come from: bytes of a file or a store in, Documents out."""
