"""Kernels chosen anew, so that a changed network computes nearly what the original did."""
