"""Ways to remove weights that matter little."""
