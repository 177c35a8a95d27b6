"""SOPs: what happens at each key moment of a customer's journey; first of them, the welcome."""
