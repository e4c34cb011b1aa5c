"""What a worker tells of itself: figures, log, Prometheus, systemd."""
