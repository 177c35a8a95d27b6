"""One module per kind of incoming thing; each owns a router."""
