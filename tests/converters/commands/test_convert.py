"""From a model file to a bundle: what is written, what is reported, what is refused."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import typer
import zoo
from PIL import Image
from typer.testing import CliRunner

import edgeseg_converters
from edgeseg.boards.boards_file import BoardEntry, BoardsFile
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.meaning import describe_wire
from edgeseg.errors import (
    BudgetError,
    EdgesegError,
    ModelError,
    OutputError,
    PlacementError,
    UsageError,
)
from edgeseg.inference.engine import open_engine
from edgeseg_converters.commands.convert import convert as command
from edgeseg_converters.compare.bundle_runner import load_pieces
from edgeseg_converters.keras.quiet import import_keras, quiet
from edgeseg_converters.notation import parse_complexity
from edgeseg_converters.partition import strategies
from edgeseg_converters.partition.tiling import tiles

pytestmark = pytest.mark.tensorflow

KEYS = {"pieces", "crossing_bytes", "check", "bundle_bytes", "settings", "versions", "strategies"}
PIECE_KEYS = {
    "name",
    "inputs",
    "outputs",
    "parameters",
    "flops",
    "bytes",
    "compressed_bytes",
    "sparsity",
    "peak_memory_bytes",
    "crossing_bytes",
    "precision",
    "parameters_before",
    "flops_before",
    "first_ms",
    "steady_ms",
    "dice_loss",
    "quantization_dice_loss",
}
BOARDS = BoardsFile(
    (BoardEntry(name="pi-a", memory="1GiB"), BoardEntry(name="pi-b", memory="1GiB"))
)
UNSAID = BoardsFile((BoardEntry(name="pi"),))
TINY = BoardsFile((BoardEntry(name="pi", memory="73MiB"),))
app = typer.Typer()
app.command()(command)


def save(model: Any, path: Path) -> Path:
    with quiet():
        model.save(path)
    return path


@cache
def saved(folder: Path, family: str) -> Path:
    path = folder / f"{family}.keras"
    return save(zoo.FAMILIES[family](import_keras()), path)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def plain(models: Path) -> Path:
    return saved(models, "plain")


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    """Five 8-bit slices as PNG."""
    folder = tmp_path / "slices"
    folder.mkdir()
    generator = np.random.default_rng(3)
    for index in range(5):
        grey = generator.integers(0, 256, (zoo.SIZE, zoo.SIZE), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"{index}.png")
    return folder


def converted(model: Path, output: Path, **settings: Any) -> Any:
    return edgeseg_converters.convert(model, output, **settings)


def test_bundle_holds_pieces_that_chain_to_the_model(plain: Path, tmp_path: Path) -> None:
    converted(plain, tmp_path / "m.edgeseg", max_partitions=4)
    bundle = Bundle(tmp_path / "m.edgeseg")
    manifest = bundle.manifest
    image = zoo.random_images()
    tensors = {manifest.input.tensor: image}
    for piece in manifest.pieces:
        made = open_engine(bundle.piece(piece)).run([tensors[port.tensor] for port in piece.inputs])
        tensors |= {port.tensor: array for port, array in zip(piece.outputs, made, strict=True)}
    model = import_keras().saving.load_model(plain, compile=False)
    expected = model.predict(image, verbose=0)
    np.testing.assert_allclose(tensors[manifest.output.tensor], expected, atol=1e-5)
    layers = [name for piece in manifest.pieces for name in piece.layers]
    assert len(layers) == len(set(layers)) > 15
    assert manifest.model_name == "plain"
    assert manifest.preprocessing.size == (zoo.SIZE, zoo.SIZE)
    assert [label.name for label in manifest.labels] == ["kidney", "tumor", "cyst"]


def test_report_has_the_promised_keys(plain: Path, tmp_path: Path) -> None:
    bundle, file = tmp_path / "m.edgeseg", tmp_path / "m.json"
    report = converted(plain, bundle, max_partitions=4, prune_ratio=0.5, report=file)
    written = json.loads(file.read_bytes())
    assert msgspec.json.decode(file.read_bytes(), type=type(report)) == report
    assert written.keys() >= KEYS
    assert all(piece.keys() == PIECE_KEYS for piece in written["pieces"])
    assert {"max_abs_difference", "slices"} <= written["check"].keys()
    assert written["check"]["max_abs_difference"] == 0
    assert written["bundle_bytes"] == bundle.stat().st_size
    assert all(0.3 < piece["sparsity"] < 0.5 for piece in written["pieces"][:-1])
    assert written["crossing_bytes"] == sum(piece["crossing_bytes"] for piece in written["pieces"])
    read = {name for piece in written["pieces"] for name in piece["inputs"]}
    made = {name for piece in written["pieces"] for name in piece["outputs"]}
    assert (written["crossing_bytes"] > 0) == bool(read & made)


def test_two_processes_write_the_same_bytes_and_no_chatter(plain: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import edgeseg_converters as c;"
        "c.convert(Path(sys.argv[1]), Path(sys.argv[2]), max_partitions=3)"
    )
    bundles = [tmp_path / "one.edgeseg", tmp_path / "two.edgeseg"]
    for bundle in bundles:
        run = subprocess.run(
            [sys.executable, "-c", code, str(plain), str(bundle)], capture_output=True, check=True
        )
        assert (run.stdout, run.stderr) == (b"", b"")
    assert bundles[0].read_bytes() == bundles[1].read_bytes()


def test_importing_the_package_and_its_commands_leaves_tensorflow_out() -> None:
    code = (
        "import sys, edgeseg_converters, edgeseg_converters.commands.convert;"
        "sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_int8_bundle_is_calibrated_and_records_its_scales(
    models: Path, slices: Path, tmp_path: Path
) -> None:
    model = saved(models, "batch_norm")
    bundle = tmp_path / "m.edgeseg"
    report = converted(model, bundle, max_partitions=3, quantize="int8", calibration=slices)
    assert 0 < report.check.max_abs_difference < 0.1
    assert report.check.mask_agreement > 0.95
    assert report.settings["quantize"] == "int8"
    manifest = Bundle(bundle).manifest
    ports = [port for piece in manifest.pieces for port in (*piece.inputs, *piece.outputs)]
    assert all(port.dtype == "int8" and port.scale for port in ports)
    between = {port.tensor for port in ports} - {manifest.input.tensor, manifest.output.tensor}
    assert manifest.wire_ratios.keys() == between
    assert "of the bytes between pieces" in describe_wire(manifest)


def test_logits_are_completed_and_the_user_is_told(tmp_path: Path) -> None:
    keras = import_keras()
    image = keras.Input((16, 16, 1), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    model = keras.Model(image, keras.layers.Conv2D(4, 1, name="logits")(x))
    report = converted(save(model, tmp_path / "m.keras"), tmp_path / "m.edgeseg")
    assert report.notes == ("the model ends in logits (logits): softmax is added",)
    manifest = Bundle(tmp_path / "m.edgeseg").manifest
    assert manifest.decoding.activation == "softmax"
    assert manifest.decoding.channels == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"quantize": "int8"}, UsageError, "calibration"),
        ({"strategy": "best"}, UsageError, "adaptive, block, layer"),
        ({"metric": "time"}, UsageError, "flops, parameters, memory"),
        ({"quantize": "int4"}, UsageError, "none, float16, dynamic, int8"),
        ({"max_partitions": 0}, UsageError, "max_partitions is 0"),
        ({"max_complexity": -5}, UsageError, "max_complexity is -5"),
        ({"max_activations": 0}, UsageError, "max_activations is 0"),
        ({"tolerance": 0.0}, UsageError, "tolerance is 0; give a number above 0"),
        ({"tolerance": float("nan")}, UsageError, "tolerance is nan"),
        ({"tolerance": 1e-5, "strategy": "channel"}, UsageError, "tells strategy channel noth"),
        ({"max_activations": 9000, "max_partitions": 2}, BudgetError, "max_partitions is 2"),
        ({"window": (255.0, 0.0)}, UsageError, "window is 255,0"),
        ({"window": (0.0, float("nan"))}, UsageError, "window"),
        ({"spacing_mm": 0.0}, UsageError, "spacing_mm is 0"),
        ({"prune_ratio": -1.0}, UsageError, "prune_ratio is -1"),
        ({"labels": ["kidney"]}, UsageError, "labels gives 1 names; the model needs 3"),
        ({"max_complexity": 1000}, BudgetError, "alone needs"),
        ({"strategy": "data", "ways": 1}, UsageError, "ways is 1; give at least 2"),
        ({"ways": 2}, UsageError, "ways tells strategy adaptive nothing"),
        ({"strategy": "optimal", "ways": 2}, UsageError, "choose one of auto, channel, data"),
        ({"strategy": "data", "ways": 33}, UsageError, "33 tiles are more than"),
        ({"boards": BOARDS}, UsageError, "boards tells strategy adaptive nothing"),
        ({"strategy": "auto", "boards": UNSAID}, UsageError, "pi has no memory to plan with"),
        ({"strategy": "optimal", "boards": TINY}, PlacementError, "needs .* on pi, which has"),
    ],
)
def test_bad_settings_end_in_one_line_and_no_bundle(
    plain: Path, tmp_path: Path, settings: Any, error: type[EdgesegError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        converted(plain, tmp_path / "m.edgeseg", **settings)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_bands_are_in_the_bundle_and_change_no_bit(plain: Path, tmp_path: Path) -> None:
    bundles = [tmp_path / f"{name}.edgeseg" for name in ("whole", "bands")]
    whole = converted(plain, bundles[0], strategy="block")
    banded = converted(plain, bundles[1], strategy="block", max_activations=20_000)
    assert banded.check.identical
    assert any("in bands" in note for note in banded.notes)
    pieces = [Bundle(path).manifest.pieces for path in bundles]
    assert max(piece.runs for piece in pieces[1]) > max(piece.runs for piece in pieces[0]) == 1
    assert sum(p.flops for p in pieces[1]) > sum(p.flops for p in pieces[0])
    assert [[port.shape for port in p.outputs] for p in pieces[1]] == [
        [port.shape for port in p.outputs] for p in pieces[0]
    ]
    image = zoo.random_images()
    made = [load_pieces(Bundle(path))(image) for path in bundles]
    np.testing.assert_array_equal(*made)
    assert banded.settings["max_activations"] == 20_000
    assert whole.settings["max_activations"] is None


def test_missing_folder_is_refused_before_any_work(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder first"):
        converted(plain, tmp_path / "nowhere" / "m.edgeseg")
    with pytest.raises(OutputError, match="folder first"):
        converted(plain, tmp_path / "m.edgeseg", report=tmp_path / "nowhere" / "m.json")
    assert list(tmp_path.iterdir()) == []


def test_failed_conversion_keeps_the_older_bundle(plain: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "m.edgeseg"
    bundle.write_bytes(b"older")
    with pytest.raises(BudgetError):
        converted(plain, bundle, max_complexity=1000)
    assert bundle.read_bytes() == b"older"


def test_foreign_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="no Keras model"):
        converted(tmp_path / "m.keras", tmp_path / "m.edgeseg")


@pytest.mark.parametrize(
    ("text", "metric", "count"),
    [
        ("5G", "flops", 5 * 10**9),
        ("1.5M", "parameters", 1_500_000),
        ("900", "flops", 900),
        ("512MiB", "memory", 512 * 2**20),
        ("2k", "parameters", 2000),
    ],
)
def test_budget_is_written_as_people_write_it(text: str, metric: str, count: int) -> None:
    assert parse_complexity(text, metric) == count


@pytest.mark.parametrize("text", ["", "G", "five", "-5G", "0", "nan", "inf", "5GB"])
def test_senseless_budget_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no count"):
        parse_complexity(text, "flops")


def test_command_shows_a_table_that_fits(plain: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "m.edgeseg"
    arguments = [str(plain), "-o", str(bundle), "--max-complexity", "900k", "--labels", "a,b,c"]
    run = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert run.exit_code == 0
    assert "bit-identical" in run.stdout
    assert "Research use only" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80
    assert [label.name for label in Bundle(bundle).manifest.labels] == ["a", "b", "c"]


def test_command_writes_json(plain: Path, tmp_path: Path) -> None:
    arguments = [str(plain), "-o", str(tmp_path / "m.edgeseg"), "--strategy", "block", "--json"]
    run = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert json.loads(run.stdout).keys() >= KEYS


def test_command_refuses_a_senseless_window(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="window"):
        CliRunner().invoke(
            app, [str(plain), "-o", str(tmp_path / "m"), "--window", "0"], catch_exceptions=False
        )


def boards_file(folder: Path, text: str = "") -> Path:
    file = folder / "boards.toml"
    file.write_text(text or '[[board]]\nname = "a"\nmemory = "1GiB"\n')
    return file


def test_auto_compares_at_the_terminal_and_in_json(plain: Path, tmp_path: Path) -> None:
    file = boards_file(tmp_path)
    words = [str(plain), "-o", str(tmp_path / "m.edgeseg"), "--strategy", "auto", "--json"]
    run = CliRunner().invoke(app, [*words, "--boards", str(file)], catch_exceptions=False)
    assert run.exit_code == 0
    rows = json.loads(run.stdout)["strategies"]
    assert [row["strategy"] for row in rows if row["chosen"]] == ["optimal"]
    assert {row["strategy"] for row in rows} == set(strategies()) - {"auto"}
    assert "optimal (kept)" in run.stderr
    assert max(map(len, run.stderr.splitlines())) <= 100


def test_where_the_boards_file_is_leaves_no_trace(plain: Path, tmp_path: Path) -> None:
    bundles = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        bundles.append(folder / "m.edgeseg")
        converted(plain, bundles[-1], strategy="optimal", boards=boards_file(folder))
    assert bundles[0].read_bytes() == bundles[1].read_bytes()
    settings = Bundle(bundles[0]).manifest.settings
    assert (settings["strategy"], settings["ways"], settings["boards"]) == ("optimal", None, 1)


@pytest.mark.parametrize(
    "text",
    [
        '[[board]]\nname = "a"\nmemory = "1GiB"\nsped = 2.0',
        '[[board]]\nname = "a"\nmemory = "1GiB"\n' * 2,
        '[[board]]\nname = "a"\nmemory = "-1GiB"',
        '[[board]]\nname = "a"\nmemory = "1GiB"\nspeed = -1.0',
        '[[board]]\nname = "a"',
        '[[board]]\nname = "a"\nmemory = "1 gallon"',
        '[[board]]\nname = "a"\nmemory = "1GiB"\nup = "5 knots"',
    ],
    ids=["key", "twice", "memory", "speed", "missing", "bytes", "rate"],
)
def test_a_boards_file_of_no_sense_is_refused(plain: Path, tmp_path: Path, text: str) -> None:
    words = [str(plain), "-o", str(tmp_path / "m.edgeseg"), "--strategy", "auto"]
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(
            app, [*words, "--boards", str(boards_file(tmp_path, text))], catch_exceptions=False
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "m.edgeseg").exists()


def test_pieces_further_off_than_promised_give_way_to_those_of_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "wide.keras"
    with quiet():
        zoo.plain(import_keras(), base=64).save(model)
    quick = converted(model, tmp_path / "quick.edgeseg", strategy="data", tolerance=1e-5)
    assert 0 < quick.check.max_abs_difference <= 1e-5
    assert "WinogradConv2D" in {layer.kind for layer in quick.layers}
    monkeypatch.setattr(tiles, "TOLERANCE", 1e-12)
    exact = converted(model, tmp_path / "exact.edgeseg", strategy="data")
    assert exact.check.identical
    assert "WinogradConv2D" not in {layer.kind for layer in exact.layers}
    quickest = "the quickest pieces change a probability by "
    assert any(note.startswith(quickest) for note in exact.notes)
    assert any("more than 1e-12: those of the same bits are taken" in note for note in exact.notes)


@pytest.mark.parametrize("strategy", ["block", "auto"])
def test_a_tolerance_takes_fewer_products_in_any_strategy(tmp_path: Path, strategy: str) -> None:
    model, flops = tmp_path / "wide.keras", []
    with quiet():
        zoo.plain(import_keras(), base=64).save(model)
    for tolerance in (None, 1e-5):
        bundle = tmp_path / f"{tolerance}.edgeseg"
        made = converted(model, bundle, strategy=strategy, tolerance=tolerance)
        assert made.check.identical == (tolerance is None)
        assert made.settings["tolerance"] == tolerance
        flops.append(sum(piece.flops for piece in made.pieces))
    assert flops[1] < 0.85 * flops[0]
    assert any(note.endswith("take a third fewer products") for note in made.notes)


def test_a_tolerance_without_wide_convolutions_changes_nothing(plain: Path, tmp_path: Path) -> None:
    made = converted(plain, tmp_path / "m.edgeseg", tolerance=1e-5)
    assert made.check.identical
    assert made.notes[-1].startswith("tolerance changes nothing: no 3x3 convolution has 128 ")
    made = converted(plain, tmp_path / "m.edgeseg", tolerance=1e-5, quantize="float16")
    assert made.notes[-1] == "tolerance changes nothing: it is for float32"


def test_divided_layers_are_reported_as_they_were(plain: Path, tmp_path: Path) -> None:
    report = converted(plain, tmp_path / "m.edgeseg", strategy="data", ways=2)
    assert all(piece.parameters_before == piece.parameters for piece in report.pieces)
    assert report.check.max_abs_difference <= 1e-5
    assert report.settings["ways"] == 2
