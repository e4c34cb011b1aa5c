"""Pieces of a worker: loaded, kept by hash, lent to work threads."""
