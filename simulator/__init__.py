"""A WeCom in a box: the platform's APIs, callbacks and clients, for demos and tests."""
