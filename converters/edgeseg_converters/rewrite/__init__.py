"""Passes that turn a graph into an equivalent or completed graph."""
