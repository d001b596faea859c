"""TOML texts: parsing them within limits, finding places in them, and writing keys and values."""
