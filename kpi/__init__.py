"""Numbers: each metric defined once."""
