"""Writes the U-Nets that the benchmarks compile: the paper's, at base width 64, 32 and 16."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "converters"))

import zoo

from edgeseg_converters.quiet import import_keras, quiet

if __name__ == "__main__":
    keras = import_keras()
    for base in (64, 32, 16):
        with quiet():
            zoo.paper_unet(keras, base=base).save(Path(sys.argv[1]) / f"base{base}.keras")
