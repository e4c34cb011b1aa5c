"""The planning problem as frozen data and as arrays."""
