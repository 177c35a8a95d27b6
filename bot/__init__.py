"""The running bot: what comes in, who is called, what goes out."""
