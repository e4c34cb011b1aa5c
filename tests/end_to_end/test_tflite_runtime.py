"""With tflite-runtime 2.14 and NumPy 1 in place of ai-edge-litert the masks are the same.

``make test-tflite-runtime`` makes that environment and names its Python in EDGESEG_TFLITE_PYTHON.
"""
