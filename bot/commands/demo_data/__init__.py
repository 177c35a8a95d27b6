"""What the bot knows of the demo company: the rows of half a year, made from the population and the date alone."""
