"""Makes sure that an assignment says nothing of a bundle that its signed manifest doesn't say."""

from edgeseg.bundle.manifest import Manifest, Port
from edgeseg.bundle.signed_manifest import verified_manifest
from edgeseg.errors import BoardError, BundleError
from edgeseg_runtime.messaging.wire import Assignment


def check_signed(assignment: Assignment, public: bytes) -> None:
    """Make sure that what is to be run, and how it is read and decoded, was signed with a key.

    Where pieces run and where tensors go is the coordinator's choice.

    Raises
    ------
    BoardError
        If it was not.
    """
    if assignment.signed is None:
        raise BoardError(
            "this worker takes signed bundles only, and this one is not signed; sign it with "
            "edgeseg sign"
        )
    try:
        manifest = verified_manifest(assignment.signed, public)
    except BundleError as error:
        raise BoardError(f"this worker takes signed bundles only: {error}") from None
    different = _different(assignment, manifest)
    if different:
        raise BoardError(f"{different} of this assignment is not what the signed manifest says")


def _different(assignment: Assignment, manifest: Manifest) -> str | None:
    """Return what is not as the manifest says, or None."""
    signed_pieces = {piece.name: piece for piece in manifest.pieces}
    for piece in assignment.pieces:
        if signed_pieces.get(piece.name) != piece:
            return f"piece {piece.name}"
    made = {port.tensor: port for piece in manifest.pieces for port in piece.outputs}
    made[manifest.input.tensor] = Port(manifest.input.tensor, manifest.input.shape)
    for source in assignment.sources:
        if made.get(source.tensor) != source:
            return f"tensor {source.tensor}"
    claimed = (assignment.input, assignment.output)
    if claimed != (manifest.input.tensor, manifest.output):
        return "input or output"
    if (assignment.preprocessing, assignment.decoding) != (
        manifest.preprocessing,
        manifest.decoding,
    ):
        return "preprocessing or decoding"
    return None
