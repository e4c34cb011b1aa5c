"""The device side and the coordinator: from a bundle and a scan to a mask."""
