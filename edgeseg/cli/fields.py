"""Which flag of a command a parameter of the library is, for messages at the command line."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., None])
_ATTRIBUTE = "fields_of_flags"


def spells_fields(**names: str) -> Callable[[_Function], _Function]:
    """Decorate a command that calls parameters otherwise than the library does.

    Parameters
    ----------
    **names
        The command's own parameter by the library's: ``spacing_mm="spacing"``.
    """

    def decorate(command: _Function) -> _Function:
        setattr(command, _ATTRIBUTE, names)
        return command

    return decorate


def flag_spelling(command: Callable[..., None], parameters: Iterable[Any]) -> Callable[[str], str]:
    """Return how a command's messages name a parameter of the library: by its flag.

    Parameters
    ----------
    command
        The decorated function.
    parameters
        Its parameters as click has them; a name that is none of them becomes a flag all the same,
        since messages also advise on other commands.
    """
    names: dict[str, str] = getattr(command, _ATTRIBUTE, {})
    flags: dict[str, str] = {
        parameter.name: option
        for parameter in parameters
        for option in reversed(parameter.opts)
        if option.startswith("--")
    }

    def spell(field: str) -> str:
        name = names.get(field, field)
        return flags.get(name, f"--{name.replace('_', '-')}")

    return spell
