"""Keys of a coordinator and of boards, in files, for tests of who is let in."""

from pathlib import Path

from edgeseg_runtime.messaging.keys import KeyPair, make_keys, write_keys


class Keyring:
    """A folder of keys; the coordinator's is authorized.

    Parameters
    ----------
    folder
        An empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.authorized = folder / "authorized"
        self.authorized.mkdir()
        self._folder = folder
        self.coordinator = make_keys()
        write_keys(self.coordinator, "coordinator", folder)
        self.admission = self.authorize("coordinator")

    def board(self, name: str) -> KeyPair:
        """Make the keys of a board."""
        keys = make_keys()
        write_keys(keys, name, self._folder)
        return keys

    def authorize(self, name: str) -> Path:
        """Let the owner of a key give orders to the boards; return the file that says so."""
        copy = self.authorized / f"{name}.pub"
        copy.write_bytes((self._folder / f"{name}.pub").read_bytes())
        return copy

    def secret(self, name: str) -> Path:
        """Where a secret key is."""
        return self._folder / f"{name}.key"

    def flags(self, name: str) -> tuple[object, ...]:
        """Flags of a worker that runs with these keys."""
        return ("--key", self.secret(name), "--authorized", self.authorized)
