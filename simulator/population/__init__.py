"""The demo's company at full size: its people and half a year of who added whom, from a date alone."""
