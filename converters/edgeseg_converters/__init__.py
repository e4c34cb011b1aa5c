"""The compiler: from a trained Keras U-Net to a bundle of TFLite pieces."""
