"""The engine of TFLite files: ai-edge-litert, else tflite-runtime."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import EdgesegError
from edgeseg.inference.engine_protocol import PortDetail
from edgeseg.output.native_output import STANDARD_ERROR, muted

_LITERT = "ai-edge-litert"


class TfliteEngine:
    """Runs one TFLite model; not safe for two threads at once.

    Parameters
    ----------
    model
        TFLite bytes, or the path of a file, which is mapped rather than copied.
    threads
        Threads that LiteRT may use inside one invocation.

    Raises
    ------
    EdgesegError
        If LiteRT refuses the model.
    """

    def __init__(self, model: bytes | Path, threads: int = 1) -> None:
        source = {"model_path": str(model)} if isinstance(model, Path) else {"model_content": model}
        try:
            with muted(STANDARD_ERROR):
                self._engine = _engine_class()(num_threads=threads, **source)
                self._engine.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            reason = f"{_first_line(error)}{_way_out()}"
            raise EdgesegError(f"LiteRT refuses the model: {reason}") from None
        self.seconds = 0.0
        """Time of the last inference alone, without the copies in and out."""
        self._input_details = self._engine.get_input_details()
        self._output_details = self._engine.get_output_details()

    @property
    def inputs(self) -> tuple[PortDetail, ...]:
        """Inputs in the order of the file."""
        return tuple(map(_detail, self._input_details))

    @property
    def outputs(self) -> tuple[PortDetail, ...]:
        """Outputs in the order of the file."""
        return tuple(map(_detail, self._output_details))

    def run(self, arrays: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run once on inputs in file order; returns fresh copies of the outputs in file order.

        Each input is let go of once it is copied: what an iterator alone has leaves the memory
        before the inference begins.
        """
        self._invoke(arrays)
        return [self._engine.get_tensor(detail["index"]) for detail in self._output_details]

    def run_and_show(
        self, arrays: Iterable[NDArray[Any]], take: Callable[[int, NDArray[Any]], None]
    ) -> None:
        """Run once on inputs in file order, and show each output to ``take`` with its number.

        What is shown is the interpreter's own memory, of which nothing may be kept.
        """
        self._invoke(arrays)
        for number, detail in enumerate(self._output_details):
            take(number, self._engine.tensor(detail["index"])())

    def run_on_zeros(self) -> None:
        """Run once on zeros and leave the outputs inside."""
        self._invoke([np.zeros(port.shape, port.dtype) for port in self.inputs])

    def _invoke(self, arrays: Iterable[NDArray[Any]]) -> None:
        self._copy_in(arrays)
        start = time.perf_counter()
        self._engine.invoke()
        self.seconds = time.perf_counter() - start

    def _copy_in(self, arrays: Iterable[NDArray[Any]]) -> None:
        for detail, array in zip(self._input_details, arrays, strict=True):
            self._engine.set_tensor(detail["index"], array)


def litert_name() -> str:
    """Name and version of the TFLite engine in use, such as ``ai-edge-litert 2.3.0``."""
    from importlib.metadata import version

    package = _LITERT if _is_litert() else "tflite-runtime"
    return f"{package} {version(package)}"


def _is_litert() -> bool:
    return str(_engine_class().__module__).startswith("ai_edge")


def _way_out() -> str:
    """Say what helps against a refusal: the last tflite-runtime is older than the converter."""
    if _is_litert():
        return ""
    return f"; install {_LITERT}, or convert to float16 or int8 rather than dynamic"


def _engine_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter as Engine
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter as Engine
        except ImportError:
            raise EdgesegError(
                f"no TFLite engine is installed; run: pip install {_LITERT}"
            ) from None
    return Engine


def _detail(detail: dict[str, Any]) -> PortDetail:
    scale, zero_point = detail["quantization"]
    quantized = scale > 0
    return PortDetail(
        name=detail["name"],
        shape=tuple(int(extent) for extent in detail["shape"]),
        dtype=np.dtype(detail["dtype"]).name,
        scale=float(scale) if quantized else None,
        zero_point=int(zero_point) if quantized else None,
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
