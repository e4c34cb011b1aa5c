"""Slices in, masks out: the segmenter, its checkpoint and its dry run."""
