"""The command line and what only it may do: start the simulator, play the demo, examine a configuration."""
