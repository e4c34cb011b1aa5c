"""Kinds of layers: one table of what the compiler knows of each, and what follows from it."""
