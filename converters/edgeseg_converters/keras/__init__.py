"""Keras models in: files, layers, operators, and back to a model that runs."""
