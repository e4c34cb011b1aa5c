"""A Keras model against bundles of it, on labelled slices."""
