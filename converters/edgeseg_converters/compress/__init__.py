"""Compression of the whole network before it is cut: pruning, fine-tuning, rounding."""
