"""Run as ``restricted.py FAMILIES COMMAND...``: a command with sockets of these families alone.

What ``RestrictAddressFamilies=`` of a systemd unit does, and by the same means: a filter in the
kernel, which also holds in all that the command starts.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from collections.abc import Sequence

_SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
"""The number of ``socket()``."""

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16
"""Where the kernel puts what is asked for."""

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def restrict(families: Sequence[int]) -> None:
    """Refuse this process, for good, sockets of other families.

    Raises
    ------
    OSError
        If the kernel refuses the filter.
    """
    last = len(families) + 4
    steps = [(_LOAD, 0, 0, _NUMBER), (_IF_EQUAL, 0, last - 2, _SOCKET_CALL[platform.machine()])]
    steps.append((_LOAD, 0, 0, _FIRST_ARGUMENT))
    steps += [(_IF_EQUAL, last - number - 4, 0, of) for number, of in enumerate(families)]
    steps += [(_RETURN, 0, 0, _REFUSE | errno.EAFNOSUPPORT), (_RETURN, 0, 0, _ALLOW)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    kernel = ctypes.CDLL(None, use_errno=True)
    for words in ((_NO_NEW_PRIVILEGES, 1, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program))):
        if kernel.prctl(*words, 0, 0):
            raise OSError(ctypes.get_errno(), "the kernel takes no filter")


if __name__ == "__main__":
    restrict([getattr(socket, name) for name in sys.argv[1].split(",")])
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 the command takes this one's place
