"""Operating boards: checks of a machine, status of workers, key pairs.

Internal: the public functions are those of :mod:`edgeseg_runtime`.
"""
