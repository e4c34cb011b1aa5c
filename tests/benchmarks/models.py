"""Writes the U-Nets that the benchmarks compile: the paper's, at base width 64, 32 and 16.

The largest is written as TFLite's own converter has it too: what others are compared with.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

import zoo

from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.model_file import load_model
from edgeseg_converters.keras.quiet import import_keras, quiet
from edgeseg_converters.tflite.export import compile_graph

if __name__ == "__main__":
    keras, folder = import_keras(), Path(sys.argv[1])
    for base in (64, 32, 16):
        with quiet():
            zoo.paper_unet(keras, base=base).save(folder / f"base{base}.keras")
    network = read_network(load_model(folder / "base64.keras"))
    compiled = compile_graph(network.graph, network.weights, plain=True)
    (folder / "uncut.tflite").write_bytes(compiled.model)
