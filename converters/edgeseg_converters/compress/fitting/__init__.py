"""Fitting of kernels, so that a changed network computes nearly what the original does."""
