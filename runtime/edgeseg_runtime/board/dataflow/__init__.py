"""Which step fires next, its computation, and where its tensors go."""
