"""Many scans at once: as Dask tasks on this machine, on groups of boards, or on a cluster.

Internal: :func:`edgeseg_runtime.run_study` is the public function.
"""
