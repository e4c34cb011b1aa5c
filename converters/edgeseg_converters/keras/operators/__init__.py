"""Operators between layers (``x + y``, ``ops.mean(x)``): translated to the layers they equal."""
