"""Pieces of a worker: asked for, kept by hash, loaded, and lent to threads."""
