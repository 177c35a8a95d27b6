"""Pages: the light ones behind a link, and those where operations edit what the bot does."""
