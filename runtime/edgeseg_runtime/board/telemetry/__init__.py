"""What a worker tells of itself: its log, figures, metrics for Prometheus, systemd."""
