"""The results of a run: label statistics, preview, and the report on boards and pieces.

Internal: the public names are those of :mod:`edgeseg_runtime`.
"""
