"""Documents to settings, or to all problems at once."""
