"""The bot's own room: protocol, configuration, commands."""

from hypothesis import settings

# A busy machine is no reason to fail a property.
settings.register_profile("frontline", deadline=None)
settings.load_profile("frontline")
