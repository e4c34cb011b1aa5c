"""Measured speed of boards and links."""
