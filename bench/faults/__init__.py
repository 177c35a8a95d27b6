"""Faults at full length: what the tests try briefly, for minutes."""
