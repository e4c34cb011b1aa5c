"""``edgeseg inspect``: the paper's tables from a Keras model, the JSON keys, the table's width."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import zoo
from rich.console import Console
from typer.testing import CliRunner

from edgeseg.errors import ModelError
from edgeseg_converters.commands.inspect import inspect as command
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras, quiet
from edgeseg_converters.reports.inspection import inspect_graph, inspection_table

pytestmark = pytest.mark.tensorflow

FIGURES = {"parameters", "flops", "flops_profiler", "flops_pointwise", "activation_bytes"}


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    with quiet():
        zoo.attention(import_keras()).save(path)
    return path


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_paper_s_model() -> None:
    inspection = inspect_graph(read_network(zoo.paper_unet(import_keras())).graph)
    assert inspection.parameters == 31_030_723
    assert inspection.flops == 96_200_556_544
    assert inspection.flops_profiler == 109_133_365_256
    assert inspection.flops_pointwise == 11_307_843_584
    assert inspection.input_shape == (1, 256, 256, 1)
    rows = [layer.cumulative.flops_pointwise for layer in inspection.layers]
    # After the second conv of level 3, the first of the bottleneck, the first of decoder level 3.
    assert [rows[10], rows[12], rows[16]] == [2_961_178_624, 3_229_614_080, 5_108_662_272]
    assert [layer.kind for layer in inspection.layers[17:]] == [
        "Conv2D",
        *["Conv2DTranspose", "Concatenate", "Conv2D", "Conv2D"] * 3,
        "Conv2D",
    ]


def test_totals_are_the_last_cumulative_figures() -> None:
    inspection = inspect_graph(read_network(zoo.separable(import_keras())).graph)
    for figure in FIGURES:
        total = getattr(inspection, figure)
        assert total == sum(getattr(layer, figure) for layer in inspection.layers)
        assert total == getattr(inspection.layers[-1].cumulative, figure)
    assert inspection.peak_live_bytes >= max(layer.live_bytes for layer in inspection.layers)


def test_json_has_the_promised_keys(tmp_path: Path) -> None:
    report = json.loads(run(str(saved(tmp_path)), "--json"))
    assert set(report) == {*FIGURES, "model", "input_shape", "peak_live_bytes", "layers"}
    for layer in report["layers"]:
        assert set(layer) == {*FIGURES, "name", "kind", "output_shape", "live_bytes", "cumulative"}
        assert set(layer["cumulative"]) == FIGURES


def test_input_shape_scales_the_figures(tmp_path: Path) -> None:
    path = str(saved(tmp_path))
    small = json.loads(run(path, "--json"))
    large = json.loads(run(path, "--json", "--input-shape", "64,64"))
    assert large["flops"] == 4 * small["flops"]
    assert large["parameters"] == small["parameters"]


def test_the_table_fits_100_columns() -> None:
    inspection = inspect_graph(read_network(zoo.paper_unet(import_keras())).graph)
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(inspection_table(inspection))
    console.file.close()
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 100
    assert "9.4 M" in text
    assert "256x256x64" in text
    assert "Conv2DTranspose" in text


def test_an_error_of_the_model_gets_through(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        run(str(tmp_path / "nothing.keras"))


def test_importing_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, edgeseg_converters.commands.inspect\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'numpy')))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
