"""Export of graphs to TFLite, and the check of pieces against the uncut model."""
