"""Slices in, masks out: a bundle deployed on boards, checkpoints, and dry runs.

Internal: the public names are those of :mod:`edgeseg_runtime`.
"""
