"""WeCom's protocol and nothing of ours: crypto, events, client, errors."""
