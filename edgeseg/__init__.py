"""Compile a trained Keras U-Net into TFLite pieces and run them on several small boards."""

__version__ = "0.1.0"
