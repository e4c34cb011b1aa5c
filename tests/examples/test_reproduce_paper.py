"""The paper's systems, as tiny networks on drawn slices, from training to table."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data import SIZE
from drawn_slices import write
from fit import Plan
from fold import folded
from model import build
from paper_report import WIDTH, Row, table_of
from paper_systems import require_equal
from PIL import Image
from reproduce_paper import HELD_OUT, Trained, parse_ratios, train_once
from rich.console import Console
from train import Network

from edgeseg.errors import EdgesegError, UsageError
from edgeseg_converters.compare.accuracy import PackedMask, PatientScore
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.layers.cost import LayerCost, graph_cost

SCRIPT = Path(__file__).parents[2] / "examples" / "reproduce_paper.py"
TRAINED_ON, MEASURED_ON = ("case_00001", "case_00002"), ("case_00003", "case_00004")
SYSTEMS = [
    "UNet",
    "UNet-P",
    "UNet-PWP 0.5",
    "UNet-PWP 1.5",
    "SD-UNet-style",
    "WP-UNet-style",
    "all background",
]


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, text=True)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    patients = dict.fromkeys((*TRAINED_ON, *MEASURED_ON), 2)
    return write(tmp_path_factory.mktemp("data") / "drawn", patients)


@pytest.fixture(scope="module")
def words(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Options of a run of seconds."""
    return [
        *("--data", drawn, "-o", tmp_path_factory.mktemp("made"), "--minutes", 0.02, "--json"),
        *("--base", 8, "--depth", 1, "--hold-out", ",".join(MEASURED_ON), "--ratios", "1.5,.5"),
    ]


@pytest.fixture(scope="module")
def output(words: list[object]) -> Path:
    """Where one network is trained by itself."""
    folder = Path(str(words[3]))
    ran = run(*words, "--only", "unet-normalized")
    assert ran.returncode == 0, ran.stderr
    assert sorted(file.name for file in folder.iterdir()) == [
        "unet-normalized.checkpoint.keras",
        "unet-normalized.csv",
        "unet-normalized.keras",
        "unet-normalized.png",
    ]
    return folder


@pytest.fixture(scope="module")
def made(words: list[object], output: Path) -> dict[str, Any]:
    """What a plain run says, which trains the other network and takes the first as it is."""
    before = (output / "unet-normalized.keras").stat().st_mtime_ns
    ran = run(*words)
    assert ran.returncode == 0, ran.stderr
    assert (output / "unet-normalized.keras").stat().st_mtime_ns == before
    said: dict[str, Any] = json.loads(ran.stdout)
    return said


def rows_by_name(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["system"]: row for row in made["rows"]}


def cost(base: int, depth: int, *, separable: bool) -> LayerCost:
    model = build(base, depth, batch_norm=separable, separable=separable)
    return graph_cost(read_network(model).graph)


def test_papers_unet_has_the_papers_cost() -> None:
    unet = cost(64, 4, separable=False)
    assert (unet.parameters, unet.flops) == (31_030_723, 96_200_556_544)


def test_every_system_has_a_row(made: dict[str, Any], output: Path) -> None:
    assert [row["system"] for row in made["rows"]] == SYSTEMS
    with (output / "systems.csv").open(newline="") as file:
        assert [row["system"] for row in csv.DictReader(file)] == SYSTEMS


def test_parameters_and_flops_are_those_of_the_network(made: dict[str, Any]) -> None:
    *rows, _ = made["rows"]
    for row in rows:
        separable = row["system"] in {"SD-UNet-style", "WP-UNet-style"}
        expected = cost(8, 1, separable=separable)
        assert (row["parameters"], row["flops"]) == (expected.parameters, expected.flops)


def test_partitioning_alone_changes_no_figure_of_accuracy(made: dict[str, Any]) -> None:
    rows = rows_by_name(made)
    unet, partitioned = rows["UNet"], rows["UNet-P"]
    assert unet["pieces"] == 1
    assert partitioned["pieces"] > 1
    for figure in ("pixel_accuracy", "kidney_and_mass", "tumor"):
        assert unet[figure] == partitioned[figure]
    assert "The masks of UNet-P equal those of UNet on all 4 slices." in made["notes"]


def test_sparsity_rises_with_the_ratio(made: dict[str, Any]) -> None:
    rows = rows_by_name(made)
    zeros = [rows[name]["sparsity"] for name in ("UNet-P", "UNet-PWP 0.5", "UNet-PWP 1.5")]
    assert zeros[0] < 0.01
    assert zeros == sorted(set(zeros))
    assert rows["WP-UNet-style"]["sparsity"] > rows["SD-UNet-style"]["sparsity"]


def test_all_background_is_right_where_the_truth_is_background(
    made: dict[str, Any], drawn: Path
) -> None:
    paths = [path for one in MEASURED_ON for path in (drawn / "labels").glob(f"{one}_*")]
    labels = np.stack([np.asarray(Image.open(path)) for path in paths])
    background = rows_by_name(made)["all background"]
    assert background["pixel_accuracy"] == pytest.approx((labels == 0).mean())
    assert (background["kidney_and_mass"], background["tumor"]) == (0, 0)


def test_conditions_are_told(made: dict[str, Any]) -> None:
    conditions = made["conditions"]
    assert conditions["patients"] == list(MEASURED_ON)
    assert (conditions["slices"], conditions["training_slices"]) == (4, 4)
    assert [one["network"] for one in conditions["trainings"]] == ["unet-normalized", "sd-unet"]
    assert all(one["minutes"] >= 0.02 for one in conditions["trainings"])
    assert "not a medical device" in made["research_note"]


def test_another_network_in_the_folder_is_refused(output: Path) -> None:
    plan = Plan(epochs=1, minutes=1, batch=1, rate=1e-3, seed=0)
    with pytest.raises(UsageError, match="another base or depth"):
        train_once(Trained.normalized_unet.run(output, 16, 1), [], [], plan, longer=False)


def test_a_changed_pixel_is_refused() -> None:
    whole = PatientScore("p", {}, {}, {}, (PackedMask.of(np.zeros((10, 10), np.uint8)),))
    changed = np.zeros((10, 10), np.uint8)
    changed[3, 4] = 1
    require_equal((whole,), (whole,))
    with pytest.raises(EdgesegError, match=r"1\.0000% of pixels"):
        require_equal((PatientScore("p", {}, {}, {}, (PackedMask.of(changed),)),), (whole,))


def test_ratios_are_numbers_in_rising_order() -> None:
    assert parse_ratios("1.5, .5,1.5") == (0.5, 1.5)


@pytest.mark.parametrize("text", ["", "half", "0.5,", "-1", "inf", "nan"])
def test_wrong_ratios_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no numbers above 0"):
        parse_ratios(text)


def test_the_papers_figures_fit_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row(
        system="UNet-PWP 0.25",
        parameters=31_030_723,
        flops=96_200_556_544,
        sparsity=0.6543,
        pieces=17,
        bytes=124_000_000,
        ms_per_slice=1234.5,
        pixel_accuracy=0.98765,
        kidney_and_mass=0.9012,
        tumor=None,
    )
    Console(width=WIDTH).print(table_of([row]))
    shown = " ".join(capsys.readouterr().out.split())
    assert "31,030,723 96,200,556,544 65.4% 17 118 MiB 1234 98.77% 0.901 -" in shown


def test_held_out_patients_are_of_both_hospitals(data: Path) -> None:
    names = [path.name for path in data.glob("*/images/*.png")]
    for patient in HELD_OUT.split(","):
        assert any(name.startswith(f"{patient}_") for name in names)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_folding_keeps_the_function_and_drops_the_layers() -> None:
    network = Network(8, 2, batch_norm=True)
    model = network.build(SIZE)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.endswith("_norm"):
            layer.set_weights([rng.uniform(0.5, 2, array.shape) for array in layer.get_weights()])
    plain = folded(model, network)
    assert plain.count_params() == build(8, 2, batch_norm=False, separable=False).count_params()
    image = rng.random((1, SIZE, SIZE, 1), np.float32)
    expected, found = (np.asarray(one(image, training=False)) for one in (model, plain))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)
