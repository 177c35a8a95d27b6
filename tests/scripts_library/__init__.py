"""Templates and files."""
