"""The boards file and the placement of pieces on boards."""
