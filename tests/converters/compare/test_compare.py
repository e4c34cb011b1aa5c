"""``edgeseg compare`` on slices whose truth is what the model itself finds."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import typer
from drawn_slices import write
from PIL import Image
from typer.testing import CliRunner

import edgeseg_converters
from edgeseg.bundle.bundle_file import Bundle, write_bundle
from edgeseg.bundle.manifest import Label
from edgeseg.errors import BundleError, EdgesegError, ModelError, UsageError, VolumeError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_converters.commands.compare import compare
from edgeseg_converters.compare import footprint
from edgeseg_converters.compare.accuracy import SliceSegmenter
from edgeseg_converters.compare.bundle_runner import load_pieces
from edgeseg_converters.compare.bundles import compare_bundles, distinct_names
from edgeseg_converters.compare.comparison import Comparison
from edgeseg_converters.compare.report import percent

app = typer.Typer()
app.command()(compare)
SIDE = 80
PATIENTS = ("p1", "p2", "p3")


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "LEAST_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="module")
def pruned(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pruned")
    edgeseg_converters.convert(
        tiny_folder / "tiny.keras",
        folder / "5.edgeseg",
        max_partitions=2,
        prune_ratio=1.0,
        calibration=write(folder / "slices", {"p9": 2}) / "images",
    )
    return folder / "5.edgeseg"


@pytest.fixture(scope="module")
def folder(uncut_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slices of each of three patients; the truth is what the uncut bundle finds."""
    made = tmp_path_factory.mktemp("labelled")
    bundle = Bundle(uncut_bundle)
    manifest = bundle.manifest
    network = SliceSegmenter(load_pieces(bundle), manifest.preprocessing, manifest.decoding)
    generator = np.random.default_rng(1)
    for kind in ("images", "labels"):
        (made / kind).mkdir()
    for name in (f"{patient}_{number}.png" for patient in PATIENTS for number in range(2)):
        grey = generator.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        truth = network.mask(grey, SliceGeometry(SIDE, SIDE), windowed=True)
        Image.fromarray(grey).save(made / "images" / name)
        Image.fromarray(truth).save(made / "labels" / name)
    return made


@pytest.fixture(scope="module")
def made(tiny_folder: Path, tiny_bundle: Path, pruned: Path, folder: Path) -> Comparison:
    return compare_bundles(tiny_folder / "tiny.keras", [tiny_bundle, pruned], folder)


def ran(*arguments: Path | str) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def relabelled(bundle: Path, target: Path, labels: Sequence[Label]) -> Path:
    opened = Bundle(bundle)
    manifest = msgspec.structs.replace(opened.manifest, labels=tuple(labels))
    pieces = manifest.pieces
    write_bundle(target, manifest, {piece.name: opened.packed_piece(piece) for piece in pieces})
    return target


def test_float32_pieces_are_as_good_as_the_model(made: Comparison) -> None:
    exact, _ = made.bundles
    assert exact.mask_agreement == pytest.approx(1, abs=1e-4)
    for model, bundle in zip(made.model.regions, exact.regions, strict=True):
        assert model.dice == pytest.approx(1, abs=1e-3)
        assert bundle.difference == pytest.approx(0, abs=1e-3)
        assert bundle.spread == pytest.approx(0, abs=1e-3)
        assert list(bundle.dice_of) == list(PATIENTS)


def test_pruned_pieces_lose_accuracy_and_size(made: Comparison) -> None:
    exact, pruned = made.bundles
    assert pruned.mask_agreement is not None
    assert pruned.mask_agreement < 0.99
    assert pruned.bytes < exact.bytes
    assert min(one.difference or 0 for one in pruned.regions) < -0.05
    assert all((one.spread or 0) > 0 for one in pruned.regions)


def test_bundles_of_one_stem_are_told_apart_by_their_folders(
    made: Comparison, tiny_bundle: Path, pruned: Path
) -> None:
    names = [f"{path.parent.name}/5" for path in (tiny_bundle, pruned)]
    assert [entry.name for entry in made.bundles] == names
    assert distinct_names([Path("a/x.edgeseg"), Path("b/y.edgeseg")]) == ["x", "y"]
    same = [Path("/k/a/b/x.edgeseg"), Path("/k/c/b/x.edgeseg"), Path("/k/z.edgeseg")]
    assert distinct_names(same) == ["a/b/x", "c/b/x", "z"]
    assert distinct_names([Path("/x.edgeseg"), Path("/a/x.edgeseg")]) == ["//x", "a/x"]


def test_tables_csv_and_plot(
    tiny_folder: Path, tiny_bundle: Path, pruned: Path, folder: Path, tmp_path: Path
) -> None:
    table, plot = tmp_path / "c.csv", tmp_path / "c.png"
    arguments = (tiny_folder / "tiny.keras", tiny_bundle, pruned, "--data", folder)
    said = ran(*arguments, "--patients", "p1, p3", "--csv", table, "--plot", plot)
    assert max(map(len, said.splitlines())) <= 100
    assert "Dice on 4 slices of 2 patients" in said
    assert "Research use only" in said
    assert "tumor, n = 2" in said
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"].rpartition("/")[2] for row in rows] == ["tiny.keras", "5", "5"]
    assert float(rows[2]["tumor_difference"]) < 0
    assert rows[0]["ms_per_slice"] == ""
    with Image.open(plot) as picture:
        assert picture.width > 1000
        assert len(set(picture.convert("L").tobytes())) > 10


def test_json_holds_every_patient(tiny_folder: Path, tiny_bundle: Path, folder: Path) -> None:
    said = json.loads(ran(tiny_folder / "tiny.keras", tiny_bundle, "--data", folder, "--json"))
    (bundle,) = said["bundles"]
    assert set(bundle["regions"][0]["dice_of"]) == set(PATIENTS)
    assert said["slices"] == 6
    assert said["notes"] == []
    assert "not a medical device" in said["research_note"]


def test_another_file_than_the_one_compiled_is_noted(
    tiny_folder: Path, tiny_bundle: Path, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.keras"
    other.write_bytes((tiny_folder / "tiny.keras").read_bytes() + b"\0")
    made = compare_bundles(other, [tiny_bundle], folder, ["p1"])
    assert made.notes == ("compiled from another file than other.keras: 5",)


def test_truth_of_kidneys_alone_leaves_other_regions_out(
    tiny_folder: Path, tiny_bundle: Path, folder: Path, tmp_path: Path
) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        for file in (folder / kind).iterdir():
            with Image.open(file) as picture:
                kept = np.array(picture)
            shown = np.minimum(kept, 1) if kind == "labels" else kept
            Image.fromarray(shown).save(tmp_path / kind / file.name)
    made = compare_bundles(tiny_folder / "tiny.keras", [tiny_bundle], tmp_path)
    assert made.shown_regions == ("kidney_and_mass",)
    _, mass, tumor = made.bundles[0].regions
    assert mass.dice is tumor.dice is None
    assert (tumor.absent_slices, tumor.false_share) == (6, 1.0)
    said = ran(tiny_folder / "tiny.keras", tiny_bundle, "--data", tmp_path)
    assert "6/6" in said
    assert "nan" not in said


class TestRefusals:
    """What can't be compared is said in one line."""

    @pytest.fixture
    def model(self, tiny_folder: Path) -> Path:
        return tiny_folder / "tiny.keras"

    def test_same_bundle_twice(self, model: Path, tiny_bundle: Path, folder: Path) -> None:
        with pytest.raises(UsageError, match="given 2 times"):
            compare_bundles(model, [tiny_bundle, tiny_bundle], folder)

    def test_unknown_patient(self, model: Path, tiny_bundle: Path, folder: Path) -> None:
        with pytest.raises(UsageError, match="no slices of 'p9'; there are 3 patients such as p1"):
            compare_bundles(model, [tiny_bundle], folder, ["p1", "p9"])

    def test_no_bundle(self, model: Path, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="does not exist"):
            compare_bundles(model, [tmp_path / "none.edgeseg"], folder)

    def test_empty_folder(self, model: Path, tiny_bundle: Path, tmp_path: Path) -> None:
        with pytest.raises(VolumeError, match="no labelled slices"):
            compare_bundles(model, [tiny_bundle], tmp_path)

    def test_images_without_labels(self, model: Path, tiny_bundle: Path, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        Image.new("L", (8, 8)).save(tmp_path / "images" / "a.png")
        with pytest.raises(VolumeError, match="without labels"):
            compare_bundles(model, [tiny_bundle], tmp_path)

    def test_labels_that_show_nothing(self, model: Path, tiny_bundle: Path, tmp_path: Path) -> None:
        for kind in ("images", "labels"):
            (tmp_path / kind).mkdir()
            Image.new("L", (8, 8)).save(tmp_path / kind / "a.png")
        with pytest.raises(VolumeError, match=r"no label in .* shows kidney_and_mass or mass"):
            compare_bundles(model, [tiny_bundle], tmp_path)

    @pytest.mark.parametrize(
        "names", [("liver", "tumor", "cyst"), ("kidney_and_mass", "mass", "tumor")]
    )
    def test_outputs_of_other_labels(
        self,
        model: Path,
        tiny_bundle: Path,
        folder: Path,
        tmp_path: Path,
        names: tuple[str, ...],
    ) -> None:
        labels = [Label(value, name, "#ff0000") for value, name in enumerate(names, start=1)]
        other = relabelled(tiny_bundle, tmp_path / "other.edgeseg", labels)
        with pytest.raises(ModelError, match=f"paints '{names[0]}' as 1"):
            compare_bundles(model, [other], folder)

    def test_bundles_compiled_in_different_ways(
        self, model: Path, tiny_bundle: Path, folder: Path, tmp_path: Path
    ) -> None:
        opened = Bundle(tiny_bundle)
        manifest = opened.manifest
        how = msgspec.structs.replace(manifest.preprocessing, spacing_mm=0.7)
        packed = {piece.name: opened.packed_piece(piece) for piece in manifest.pieces}
        other = tmp_path / "other.edgeseg"
        write_bundle(other, msgspec.structs.replace(manifest, preprocessing=how), packed)
        with pytest.raises(BundleError, match="differ in window, spacing"):
            compare_bundles(model, [tiny_bundle, other], folder)

    @pytest.mark.parametrize("flag", ["--csv", "--plot"])
    def test_nowhere_to_write(
        self, model: Path, tiny_bundle: Path, folder: Path, tmp_path: Path, flag: str
    ) -> None:
        target = tmp_path / "none" / "c.png"
        with pytest.raises(EdgesegError, match="create its folder first"):
            ran(model, tiny_bundle, "--data", folder, flag, target)

    def test_a_plot_that_is_no_png(self, model: Path, tiny_bundle: Path, folder: Path) -> None:
        with pytest.raises(UsageError, match=r"c.pdf is no \.png"):
            ran(model, tiny_bundle, "--data", folder, "--plot", "c.pdf")


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "100 %"), (0.999999, "99.99 %"), (0.5, "50.00 %")]
)
def test_only_all_is_written_as_all(share: float, said: Any) -> None:
    assert percent(share) == said
