"""The HTML page of a segmented scan: scan and masks to leaf through, statistics, the run.

Internal: ``SegmentOptions(html=...)`` has it written.
"""
