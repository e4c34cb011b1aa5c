"""Whole studies: many volumes, one a task, on a local or a remote Dask cluster."""
