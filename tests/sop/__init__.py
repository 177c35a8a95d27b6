"""The calendar and the welcome flows."""
