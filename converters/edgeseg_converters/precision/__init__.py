"""The precision of each piece, by the loss that was measured for it."""
