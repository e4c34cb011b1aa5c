"""TFLite out: export of pieces, and the check against the uncut model."""
