"""A flag is a field: what one declaration gives Python and the command line."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from edgeseg.errors import UsageError
from edgeseg_converters.commands.convert import convert as command
from edgeseg_converters.commands.signature import given_fields, takes_fields_of
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.flags import Flag, Range, complete, flags_of
from edgeseg_converters.options import ConversionOptions, partition_request
from edgeseg_converters.partition import PartitionRequest
from edgeseg_converters.search.goal import SearchGoal


class Soup(msgspec.Struct, frozen=True, kw_only=True):
    """Made-up options."""

    spoons: Annotated[
        int | None,
        Flag(
            section="image",
            metavar="N",
            help="How many spoons.",
            range=Range(least=1, remedy="give a spoon", in_help=True),
        ),
    ] = None
    salt_g: Annotated[
        float,
        Flag(
            section="cut",
            help="How salty.",
            spelling="salt",
            range=Range(least=0, remedy="give grams"),
        ),
    ] = 1.5
    kind: Annotated[str, Flag(section="cut", help="Which.", choices=lambda: ("hot", "cold"))] = (
        "hot"
    )
    guests: Annotated[
        tuple[str, ...] | None,
        Flag(section="search", help="Who.", parse=lambda text: tuple(text.split("+"))),
    ] = None

    def __post_init__(self) -> None:
        complete(self)


def cooked(*words: str) -> tuple[Any, str]:
    """Run a command that takes the fields of soup; what it got, and what it printed."""
    soups: list[Soup] = []

    @takes_fields_of(Soup)
    def cook(name: str, *, loud: bool = False, **values: Any) -> None:
        soups.append(Soup(**given_fields(Soup, values)))

    app = typer.Typer()
    app.command()(cook)
    run = CliRunner().invoke(app, ["leek", *words], catch_exceptions=True)
    if isinstance(run.exception, UsageError):
        raise run.exception
    return (soups[0] if soups else None), run.output


def test_a_field_declared_once_is_a_flag_with_help_range_and_default() -> None:
    assert cooked() == (Soup(), "")
    soup, _ = cooked("--spoons", "3", "--salt", "2", "--kind", "cold", "--guests", "a+b")
    assert soup == Soup(spoons=3, salt_g=2.0, kind="cold", guests=("a", "b"))
    _, text = cooked("--help")
    places = [text.index(word) for word in ("--salt", "--kind", "--guests", "--spoons", "--loud")]
    assert places == sorted(places)
    for word in ("How many spoons", "x>=1", "hot|cold", "default: 1.5"):
        assert word in text
    assert "greater than or equal to 1" in cooked("--spoons", "0")[1]
    with pytest.raises(UsageError, match="salt_g is -1; give grams"):
        cooked("--salt", "-1")


def test_python_and_the_command_line_take_the_same_text() -> None:
    assert Soup(guests="a+b").guests == ("a", "b")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="spoons is 0; give a spoon"):
        Soup(spoons=0)
    with pytest.raises(UsageError, match="kind is 'cool'; choose one of hot, cold"):
        Soup(kind="cool")
    with pytest.raises(UsageError, match="salt_g is nan"):
        msgspec.structs.replace(Soup(), salt_g=float("nan"))


def test_a_field_without_a_flag_is_refused() -> None:
    class Bare(msgspec.Struct):
        plain: int = 0

    with pytest.raises(TypeError, match=r"Bare\.plain needs one Flag"):
        flags_of(Bare)


def test_every_field_is_a_flag_of_convert() -> None:
    parameters = inspect.signature(command).parameters
    for struct in (ConversionOptions, SearchGoal):
        flags = flags_of(struct)
        assert tuple(flags) == struct.__struct_fields__
        assert {flag.spelling or field for field, flag in flags.items()} <= parameters.keys()


def test_options_are_read_as_at_the_command_line(tmp_path: Path) -> None:
    boards = tmp_path / "boards.toml"
    boards.write_text('[[board]]\nname = "a"\nmemory = "1GiB"\n')
    options = ConversionOptions(
        strategy="optimal",
        boards=str(boards),  # type: ignore[arg-type]
        metric="memory",
        max_complexity="2MiB",  # type: ignore[arg-type]
        max_activations="1KiB",  # type: ignore[arg-type]
        window="-100,300",  # type: ignore[arg-type]
        labels="kidney, tumor",
        input_shape="64,32",  # type: ignore[arg-type]
        calibration=str(tmp_path),  # type: ignore[arg-type]
        recipe="tiny",
    )
    assert options.boards is not None
    assert options.boards.board[0].name == "a"
    assert (options.max_complexity, options.max_activations) == (2 * 2**20, 1024)
    assert options.window == (-100.0, 300.0)
    assert options.labels == ("kidney", "tumor")
    assert options.input_shape == (64, 32)
    assert options.calibration == tmp_path
    assert partition_request(options) == PartitionRequest(
        "memory", 2 * 2**20, None, None, options.boards, "int8", 1024, None
    )


def test_a_recipe_takes_the_place_of_shorthands() -> None:
    options = ConversionOptions(prune_ratio=0.5, quantize="float16", sparse_encoding=True)
    recipe = options.compression
    assert (recipe.quantize, recipe.sparse_encoding) == ("float16", True)
    resolved = options.with_recipe(recipe)
    assert resolved.compression == recipe
    assert options.with_recipe(Recipe()).compression == Recipe()
    with pytest.raises(UsageError, match="give either"):
        msgspec.structs.replace(options, recipe="exact")


def test_the_manifest_keeps_settings_in_its_order() -> None:
    assert tuple(ConversionOptions().recorded()) == (
        "strategy",
        "metric",
        "max_complexity",
        "max_partitions",
        "max_activations",
        "tolerance",
        "ways",
        "boards",
        "quantize",
        "recipe",
    )
