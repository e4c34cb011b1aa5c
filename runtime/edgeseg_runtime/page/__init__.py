"""The page of a segmented scan: the scan with its masks to leaf through, figures, the run."""
