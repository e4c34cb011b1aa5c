"""A search on slices whose truth is what the model itself finds."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import EdgesegError, OutputError, UsageError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_converters.commands.convert import convert as command
from edgeseg_converters.compare import footprint
from edgeseg_converters.compare.accuracy import SliceSegmenter
from edgeseg_converters.compare.bundle_runner import load_pieces
from edgeseg_converters.compress.recipe import Filters, Recipe, Zeros
from edgeseg_converters.options import ConversionOptions
from edgeseg_converters.reports.conversion import ConversionReport
from edgeseg_converters.search import trials
from edgeseg_converters.search.goal import SearchGoal
from edgeseg_converters.search.ladder import Rung
from edgeseg_converters.search.report import SearchReport, require_chosen
from edgeseg_converters.search.search import chosen_report, search_recipes

app = typer.Typer()
app.command()(command)
SIDE = 64
PATIENTS = ("p1", "p2")
EXACT = Rung("exact", Recipe())
HALF = Rung("half", Recipe(quantize="float16"))
LOSSY = Rung("lossy", Recipe(zeros=Zeros(1.5)))
RUNGS = (EXACT, HALF, LOSSY)
LIMIT = 0.02


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "LEAST_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="module")
def labelled(uncut_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slices of each of two patients; the truth is what the uncut bundle finds."""
    made = tmp_path_factory.mktemp("labelled")
    bundle = Bundle(uncut_bundle)
    manifest = bundle.manifest
    network = SliceSegmenter(load_pieces(bundle), manifest.preprocessing, manifest.decoding)
    for kind in ("images", "labels"):
        (made / kind).mkdir()
    names = (f"{patient}_{number}.png" for patient in PATIENTS for number in range(2))
    for name, grey in zip(names, noise(1), strict=False):
        truth = network.mask(grey, SliceGeometry(SIDE, SIDE), windowed=True)
        Image.fromarray(grey).save(made / "images" / name)
        Image.fromarray(truth).save(made / "labels" / name)
    return made


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unlabelled slices of other patients."""
    made = tmp_path_factory.mktemp("slices")
    for number, grey in zip(range(3), noise(2), strict=False):
        Image.fromarray(grey).save(made / f"{number}.png")
    return made


@pytest.fixture
def model(tiny_folder: Path) -> Path:
    return tiny_folder / "tiny.keras"


def noise(seed: int) -> Iterator[Any]:
    generator = np.random.default_rng(seed)
    while True:
        yield generator.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


Search: TypeAlias = Callable[..., SearchReport]


@pytest.fixture(scope="module")
def searched(tiny_folder: Path, labelled: Path, slices: Path) -> Search:
    """Search over :data:`RUNGS` with the tiny model; keywords replace what is usual."""

    def run(output: Path, **settings: Any) -> SearchReport:
        usual = {"rungs": RUNGS, "max_partitions": 1, "calibration": slices}
        of_goal = {"max_dice_drop": LIMIT, "validate": labelled}
        for name in SearchGoal.__struct_fields__:
            if name in settings:
                of_goal[name] = settings.pop(name)
        goal = SearchGoal(**of_goal)
        return search_recipes(tiny_folder / "tiny.keras", output, goal, **(usual | settings))

    return run


@pytest.fixture(scope="module")
def found(searched: Search, tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchReport, Path]:
    output = tmp_path_factory.mktemp("found") / "best.edgeseg"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(footprint, "LEAST_SECONDS", 0.0)
        report = output.with_name("report.json")
        made = searched(output, report=report)
    return made, output


@pytest.fixture
def compiled(found: tuple[SearchReport, Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is compiled from now on; the bundles are those of :func:`found`."""
    names: list[str] = []
    made = found[1].with_name("best.edgeseg.search")

    def copied(
        model: Path, output: Path, options: ConversionOptions, report: Path, **_: Any
    ) -> ConversionReport:
        names.append(output.stem)
        for file in (output, report):
            shutil.copy(made / file.name, file)
        return msgspec.json.decode(report.read_bytes(), type=ConversionReport)

    monkeypatch.setattr(trials, "convert", copied)
    return names


def test_the_smallest_within_the_drop_is_the_output(found: tuple[SearchReport, Path]) -> None:
    made, output = found
    assert made.chosen == "half"
    assert [one.verdict.kind for one in made.tried] == ["within", "chosen", "beyond"]
    assert (
        output.read_bytes()
        == output.with_name("best.edgeseg.search").joinpath("half.edgeseg").read_bytes()
    )
    exact, half, lossy = made.comparison.bundles
    assert half.bytes < exact.bytes
    assert made.tried[2].drop > LIMIT > made.tried[1].drop
    worst = max(-(one.difference or 0) for one in lossy.regions)
    assert made.tried[2].drop == pytest.approx(worst)


def test_everything_tried_is_kept_beside_it(found: tuple[SearchReport, Path]) -> None:
    made, output = found
    folder = output.with_name("best.edgeseg.search")
    for rung in RUNGS:
        assert Bundle(folder / f"{rung.name}.edgeseg").manifest.model_name == "tiny"
        assert json.loads((folder / f"{rung.name}.json").read_bytes())["pieces"]
    with Image.open(output.with_name("best.edgeseg.search.png")) as picture:
        assert picture.width > 1000
    written = json.loads(output.with_name("report.json").read_bytes())
    assert written["chosen"] == "half"
    assert [one["verdict"]["kind"] for one in written["tried"]] == ["within", "chosen", "beyond"]
    assert "not a medical device" in written["research_note"]
    assert made.comparison.slices == 4
    assert made.comparison.patients == PATIENTS


def test_the_compilers_report_of_the_chosen_bundle_is_found(
    found: tuple[SearchReport, Path], tmp_path: Path
) -> None:
    made, output = found
    report = chosen_report(made, output)
    assert report is not None
    assert report.bundle_bytes == output.stat().st_size
    assert report.layers
    assert chosen_report(msgspec.structs.replace(made, chosen=None), output) is None
    with pytest.raises(EdgesegError, match="search anew"):
        chosen_report(made, tmp_path / "other.edgeseg")


def test_another_limit_or_preference_needs_nothing_new(
    found: tuple[SearchReport, Path],
    searched: Search,
    compiled: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, output = found
    monkeypatch.setattr(trials, "measure_bundle", None)
    made = searched(output, max_dice_drop=1.0)
    assert compiled == []
    assert made.comparison == before.comparison
    sizes = [entry.bytes for entry in made.comparison.bundles]
    assert made.chosen == RUNGS[sizes.index(min(sizes))].name
    assert searched(output, prefer="memory").chosen != "lossy"


def test_an_interrupted_search_goes_on_where_it_ended(
    searched: Search,
    slices: Path,
    tmp_path: Path,
    compiled: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "m.edgeseg"
    measure = vars(trials)["measure_bundle"]

    def interrupted(bundle: Bundle) -> Any:
        if bundle.path.stem == "half":
            raise KeyboardInterrupt
        return measure(bundle)

    monkeypatch.setattr(trials, "measure_bundle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        searched(output)
    assert not output.exists()
    monkeypatch.setattr(trials, "measure_bundle", measure)
    assert searched(output).chosen == "half"
    assert compiled == ["exact", "half", "lossy"]

    # Other settings give other bundles; other patients only other figures.
    made = searched(output, rungs=(EXACT,), patients=["p2"])
    assert made.comparison.patients == ("p2",)
    assert len(compiled) == 3
    searched(output, rungs=(EXACT,), max_partitions=2)
    assert compiled[3:] == ["exact"]
    Image.fromarray(next(noise(9))).save(slices / "more.png")
    searched(output, rungs=(EXACT,), max_partitions=2)
    (slices / "more.png").unlink()
    assert compiled[4:] == ["exact"]


def test_a_recipe_that_does_not_fit_the_model_is_left_out(searched: Search, tmp_path: Path) -> None:
    alien = Rung("alien", Recipe(filters=Filters(0.5, layers={"nowhere": 0.5})))
    made = searched(tmp_path / "m.edgeseg", rungs=(EXACT, alien))
    assert [one.name for one in made.tried] == ["exact"]
    assert any(note.startswith("alien is left out: ") for note in made.notes)
    with pytest.raises(UsageError, match="nowhere"):
        searched(tmp_path / "n.edgeseg", rungs=(alien, EXACT))


def test_nothing_within_the_drop_names_the_best_and_writes_nothing(
    searched: Search, tmp_path: Path, compiled: list[str]
) -> None:
    output = tmp_path / "m.edgeseg"
    made = searched(output, rungs=(LOSSY, LOSSY, LOSSY, EXACT))
    assert made.chosen is None
    assert not output.exists()
    assert any("not tried, since milder ones lose too much: exact" in note for note in made.notes)
    with pytest.raises(
        EdgesegError, match=r"within a Dice drop of 0\.02; best is lossy with 0\.\d"
    ) as caught:
        require_chosen(made)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"patients": ["p9"]}, UsageError, "no slices of 'p9'"),
        ({"strategy": "best"}, UsageError, "adaptive, block, layer"),
    ],
)
def test_bad_settings(
    searched: Search,
    tmp_path: Path,
    settings: Any,
    error: type[EdgesegError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        searched(tmp_path / "m.edgeseg", **settings)
    assert not (tmp_path / "m.edgeseg").exists()


def test_nowhere_to_work(searched: Search, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder first"):
        searched(tmp_path / "none" / "m.edgeseg")
    (tmp_path / "m.edgeseg.search").write_bytes(b"")
    with pytest.raises(OutputError, match="can't make the folder"):
        searched(tmp_path / "m.edgeseg")


def test_patients_calibrated_on_are_refused(
    searched: Search, labelled: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="p1 would be validated on"):
        searched(tmp_path / "m.edgeseg", calibration=labelled / "images")


class TestCommand:
    """``edgeseg convert --max-dice-drop``."""

    def ran(self, *arguments: Path | str) -> Any:
        return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=True)

    def test_a_table_of_all_rungs(
        self, model: Path, labelled: Path, slices: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "m.edgeseg"
        recipe = tmp_path / "own.toml"
        recipe.write_text('quantize = "float16"')
        arguments = (model, "-o", output, "--calibration", slices, "--validate", labelled)
        said = self.ran(*arguments, "--max-dice-drop", "0.02", "--recipe", recipe)
        assert said.exit_code == 0, said.output
        assert max(map(len, said.stdout.splitlines())) <= 100
        for word in ("own", "chosen", "kidney_and_mass", "4 slices of 2 patients", "drop"):
            assert word in said.stdout
        assert Bundle(output).manifest.settings["quantize"] == "float16"
        failed = self.ran(
            *arguments, "--max-dice-drop", "0", "--prune-ratio", "2", "--patients", "p1", "--json"
        )
        assert isinstance(failed.exception, EdgesegError)
        assert "best is recipe" in str(failed.exception)
        assert json.loads(failed.stdout)["chosen"] is None

    def test_flags_that_dont_fit(self, model: Path, slices: Path, tmp_path: Path) -> None:
        output = tmp_path / "m.edgeseg"
        for flags, message in (
            (("--prefer", "latency"), "prefer is part of a search"),
            (("--max-dice-drop", "0.1"), "needs validate"),
            (("--recipe", "balanced", "--quantize", "int8"), "give either"),
            (("--quantize", "dynamic", "--sparse-encoding"), "dynamic int8"),
            (("--recipe", "balanced"), "needs slices"),
        ):
            said = self.ran(model, "-o", output, *flags)
            assert isinstance(said.exception, UsageError)
            assert message in str(said.exception)

    def test_a_preset_without_a_search(self, model: Path, slices: Path, tmp_path: Path) -> None:
        output = tmp_path / "m.edgeseg"
        said = self.ran(model, "-o", output, "--recipe", "paper", "--calibration", slices)
        assert said.exit_code == 0, said.output
        assert '"ratio":0.5' in str(Bundle(output).manifest.settings["recipe"])
