"""Scripts (话术): rendering, later versions and search."""
