"""The long forms of the fault tests: more kills, and two minutes without WeCom."""
