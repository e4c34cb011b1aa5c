"""Row tiles with halo: each slice divided over several boards."""
