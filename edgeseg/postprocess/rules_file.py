"""Rules from a preset or a TOML file, checked against the labels of a model."""

import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import msgspec

from edgeseg.bundle.manifest import Label
from edgeseg.bundle.rules import RULE_NAMES, Rule, Rules, labels_named, smoothing_misplaced
from edgeseg.errors import UsageError
from edgeseg.text.suggestions import did_you_mean, near_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NONE = "none"
"""Asks for no post-processing."""

PRESETS = ("kidney",)
"""Rules that come with edgeseg."""

_SUFFIX = ".toml"
_MAX_BYTES = 2**20


class _RulesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: Rules


def read_rules(name: str, labels: Sequence[Label]) -> tuple[Rule, ...]:
    """Return the rules of a preset or of a TOML file; none for ``none``.

    Parameters
    ----------
    name
        ``none``, a preset, or the path of a ``.toml`` file with ``[[rule]]`` tables.
    labels
        Labels of the model that the rules are for.

    Raises
    ------
    UsageError
        If there is no such preset or file, a rule is unknown or has a value out of range, or names
        a label that the model does not have.
    """
    if name == NONE:
        return ()
    if name in PRESETS:
        text = (
            resources.files("edgeseg.postprocess") / "presets" / f"{name}{_SUFFIX}"
        ).read_bytes()
        return check_rules(_parse(text, name), labels, name)
    path = Path(name)
    if path.suffix != _SUFFIX or not path.is_file():
        raise UsageError(
            f"post-processing {name!r} is neither {NONE}, {', '.join(PRESETS)} nor a {_SUFFIX} "
            f"file; give one{did_you_mean(name, (NONE, *PRESETS)) or near_path(path)}"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise UsageError(f"{path} is larger than 1 MiB; give a file of [[rule]] tables")
    return check_rules(_parse(path.read_bytes(), name), labels, name)


def check_rules(rules: Sequence[Rule], labels: Sequence[Label], origin: str) -> tuple[Rule, ...]:
    """Return the rules if they fit the labels.

    Raises
    ------
    UsageError
        If they do not.
    """
    known = [label.name for label in labels]
    for number, rule in enumerate(rules, start=1):
        for name in labels_named(rule):
            if name not in known:
                raise UsageError(
                    f"rule {number} of {origin} names the label {name!r}; the model has "
                    f"{', '.join(known)}{did_you_mean(name, known)}"
                )
    if smoothing_misplaced(rules):
        raise UsageError(
            f"{origin} smooths probabilities behind another rule, when labels are decided already; "
            "make smooth the first rule, once"
        )
    return tuple(rules)


def _parse(text: bytes, origin: str) -> tuple[Rule, ...]:
    try:
        return msgspec.convert(tomllib.loads(text.decode()), _RulesFile).rule
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{origin} is no TOML ({error}); mend it there") from None
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{origin} has rules that can't be used ({error}); rules are {', '.join(RULE_NAMES)}"
        ) from None
