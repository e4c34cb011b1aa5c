"""The public face of the compiler: what the commands can, Python can, under documented names."""

import inspect
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from heard_progress import HeardProgress
from PIL import Image

import edgeseg_converters
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import UsageError
from edgeseg_converters.compare import footprint
from edgeseg_converters.search.ladder import Rung

SIDE = 64


@pytest.fixture
def model(tiny_folder: Path) -> Path:
    return tiny_folder / "tiny.keras"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """One slice of each of two patients, with a kidney and a tumour drawn into noise."""
    folder = tmp_path / "labelled"
    generator = np.random.default_rng(1)
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    truth[10:30, 10:30], truth[15:20, 15:20], truth[40:44, 40:44] = 1, 2, 3
    for patient in ("p1", "p2"):
        grey = generator.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        Image.fromarray(grey).save(folder / "images" / f"{patient}_0.png")
        Image.fromarray(truth).save(folder / "labels" / f"{patient}_0.png")
    return folder


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    folder = tmp_path / "slices"
    folder.mkdir()
    grey = np.random.default_rng(2).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "0.png")
    return folder


def test_all_public_names_are_shown_documented_and_there() -> None:
    assert dir(edgeseg_converters) == sorted(edgeseg_converters.__all__)
    for name in edgeseg_converters.__all__:
        thing = getattr(edgeseg_converters, name)
        assert inspect.getdoc(thing), name
        if inspect.isfunction(thing):
            assert "Raises" in (thing.__doc__ or ""), name


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, edgeseg_converters; dir(edgeseg_converters);"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'msgspec', 'rich', 'tensorflow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_is_inspected_previewed_and_converted(model: Path, tmp_path: Path) -> None:
    inspection = edgeseg_converters.inspect_model(str(model))
    assert inspection.model == "residual"
    assert len(inspection.layers) > 20
    assert edgeseg_converters.inspect_model(model, "32,32").input_shape == (1, 32, 32, 1)

    options = edgeseg_converters.ConversionOptions(max_partitions=3)
    output = tmp_path / "m.edgeseg"
    preview = edgeseg_converters.preview_conversion(model, output, options)
    assert not output.exists()
    heard = HeardProgress()
    report = edgeseg_converters.convert(str(model), str(output), options, progress=heard)
    assert [piece.name for piece in report.pieces] == [piece.name for piece in preview.pieces]
    assert len(Bundle(output).manifest.pieces) == 3
    descriptions = [job.description for job in heard.jobs]
    assert descriptions == [
        "compiling the uncut model",
        "compiling pieces",
        "measuring what compression costs",
    ]
    assert [job.done for job in heard.jobs] == [job.total for job in heard.jobs]

    page = tmp_path / "m.html"
    edgeseg_converters.write_conversion_page(page, report)
    assert "piece_00" in page.read_text()


def test_fields_are_options_and_options_are_replaced_by_fields(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.edgeseg"
    options = edgeseg_converters.ConversionOptions(max_partitions=3)
    preview = edgeseg_converters.preview_conversion(model, output, options, max_partitions=1)
    assert len(preview.pieces) == 1
    with pytest.raises(TypeError, match="max_pieces"):
        edgeseg_converters.convert(model, output, max_pieces=3)
    with pytest.raises(UsageError, match=r"^ways is 1; give at least 2"):
        edgeseg_converters.convert(model, output, strategy="data", ways=1)


def test_recipes_are_searched_and_bundles_compared(
    model: Path, labelled: Path, slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footprint, "LEAST_SECONDS", 0.0)
    output = tmp_path / "best.edgeseg"
    goal = edgeseg_converters.SearchGoal(max_dice_drop=1.0, validate=labelled)
    rungs = [Rung("exact", edgeseg_converters.Recipe())]
    report = edgeseg_converters.search_recipes(
        model, output, goal, rungs=rungs, calibration=slices, max_partitions=1
    )
    assert isinstance(report, edgeseg_converters.SearchReport)
    assert report.chosen == "exact"
    compiled = edgeseg_converters.chosen_report(report, output)
    assert compiled is not None
    assert compiled.bundle_bytes == output.stat().st_size

    comparison = edgeseg_converters.compare_bundles(str(model), [str(output)], str(labelled))
    (entry,) = comparison.bundles
    assert entry.bytes == output.stat().st_size
    assert msgspec.structs.replace(comparison, notes=()).slices == 2
    csv, plot = tmp_path / "figures.csv", tmp_path / "figures.png"
    edgeseg_converters.write_comparison_csv(csv, comparison)
    edgeseg_converters.write_comparison_plot(plot, comparison)
    assert csv.read_text().startswith("name,path,bytes")
    assert plot.stat().st_size > 1000
    with pytest.raises(UsageError, match="give a bundle"):
        edgeseg_converters.compare_bundles(model, [], labelled)
