"""Creates the key pairs of machines and of those who sign bundles."""

from dataclasses import dataclass
from pathlib import Path

from edgeseg.bundle.signature import make_signing_keys, write_signing_keys
from edgeseg.errors import UsageError
from edgeseg_runtime.messaging.keys import key_folder, make_keys, write_keys


@dataclass(frozen=True)
class KeyFiles:
    """A key pair that was written.

    Attributes
    ----------
    secret, public
        The files; the secret one is readable by its owner alone.
    public_key
        The public key as a boards file states it; None for keys that sign bundles.
    """

    secret: Path
    public: Path
    public_key: str | None


def create_keys(
    name: str = "edgeseg", folder: Path | None = None, *, signing: bool = False
) -> KeyFiles:
    """Create a key pair and write it; an existing secret file is never overwritten.

    Parameters
    ----------
    name
        Names the two files. Under the default name the pair is this machine's own, which
        segmenting, profiling and asking for status use unless told otherwise.
    folder
        Where the files go; ``~/.config/edgeseg`` if left out.
    signing
        Create keys that sign bundles, instead of keys that prove a machine's identity.

    Raises
    ------
    UsageError
        If the name can't name a file, a file of that name is there, or the extra 'sign' is
        missing.
    OutputError
        If the files can't be written.
    """
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"{name!r} can't name a file; use letters, digits, - and _")
    place = folder or key_folder()
    if signing:
        return KeyFiles(*write_signing_keys(make_signing_keys(), name, place), public_key=None)
    keys = make_keys()
    return KeyFiles(*write_keys(keys, name, place), public_key=keys.public)
