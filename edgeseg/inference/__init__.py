"""Runs one TFLite piece in this process, and measures what it takes."""
