"""Slices through the steps of a board: which step fires next, its run, and where tensors go."""
