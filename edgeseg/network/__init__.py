"""The network as data, and what it costs."""
