"""Looking after boards: whether a machine can be one, and how running workers fare."""
