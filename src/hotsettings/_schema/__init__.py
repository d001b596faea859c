"""What a settings class declares: fields, marks, types, immutability, and what its reprs mask."""
