"""What a run found and how it went: statistics, preview, report, tables."""
