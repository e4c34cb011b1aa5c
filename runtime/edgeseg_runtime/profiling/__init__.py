"""Measured speed of boards and links.

Internal: :func:`edgeseg_runtime.profile_boards` is the public function.
"""
