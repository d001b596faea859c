"""TOML texts: parsing within limits, places in a text, keys, and values as they are written."""
