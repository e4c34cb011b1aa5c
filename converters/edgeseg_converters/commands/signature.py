"""Makes the flags of a command of the fields of structs; see :mod:`edgeseg_converters.flags`."""

import inspect
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args

import msgspec
import typer

from edgeseg.cli.fields import spells_fields
from edgeseg_converters.flags import SECTIONS, Flag, flags_of

_Command = TypeVar("_Command", bound=Callable[..., None])


def takes_fields_of(*structs: type[msgspec.Struct]) -> Callable[[_Command], _Command]:
    """Decorate a command: a flag for each field of the structs stands for its ``**values``.

    Flags stand in the order of their sections, within these in the order of the fields.
    """

    def decorate(command: _Command) -> _Command:
        fields = [
            (flag, field, _default(struct, field, flag), _annotation(struct, field))
            for struct in structs
            for field, flag in flags_of(struct).items()
        ]
        fields.sort(key=lambda declared: SECTIONS.index(declared[0].section))
        flags = [_parameter(*declared) for declared in fields]
        own = list(inspect.signature(command).parameters.values())
        positional = [parameter for parameter in own if parameter.kind is _POSITIONAL]
        others = [
            parameter for parameter in own if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]
        parameters = [*positional, *flags, *others]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {item.name: item.annotation for item in parameters}
        spellings = {field: flag.spelling for flag, field, *_ in fields if flag.spelling}
        return spells_fields(**spellings)(command)

    return decorate


def given_fields(struct: type[msgspec.Struct], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a struct that a command was given, or has defaults for."""
    given = {}
    for field, flag in flags_of(struct).items():
        value = values[flag.spelling or field]
        if value is not None:
            given[field] = value.value if isinstance(value, Enum) else value
    return given


_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _parameter(flag: Flag, field: str, default: Any, annotation: Any) -> inspect.Parameter:
    """Return the parameter of a flag, as typer reads it."""
    name = flag.spelling or field
    kind: Any = annotation
    least = None
    if flag.choices is not None:
        kind = _enumeration(field, flag.choices())
        default = None if default is None else kind(default)
    elif flag.parse is not None:
        kind = flag.text_type
    elif isinstance(annotation, UnionType):
        kind, *_ = get_args(annotation)
    if flag.range is not None and flag.range.in_help:
        least = flag.range.least
    option = typer.Option(
        f"--{name.replace('_', '-')}", metavar=flag.metavar, help=flag.help_line, min=least
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind if default is not None else kind | None, option],
    )


def _default(struct: type[msgspec.Struct], field: str, flag: Flag) -> Any:
    """Return what stands at the command line where nothing is given: text where it is parsed."""
    declared = {info.name: info for info in msgspec.structs.fields(struct)}
    default = declared[field].default
    if flag.hides_default or default is msgspec.NODEFAULT:
        return None
    return ",".join(f"{item:g}" for item in default) if isinstance(default, tuple) else default


def _enumeration(field: str, choices: Collection[str]) -> Any:
    """Return choices as typer shows them."""
    return Enum(f"{field}_choices", {choice: choice for choice in choices}, type=str)


def _annotation(struct: type[msgspec.Struct], field: str) -> Any:
    return inspect.get_annotations(struct)[field].__origin__
