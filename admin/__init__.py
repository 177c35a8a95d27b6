"""Pages where operations edit what the bot does."""
