"""The socket on which a worker listens to coordinator and boards."""

from dataclasses import dataclass

import zmq

from edgeseg.errors import BoardError
from edgeseg_runtime.messaging.curve_sockets import require_keys
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.transport import (
    MAX_FRAME_BYTES,
    MessageSocket,
    Payload,
    parse_frames,
)
from edgeseg_runtime.messaging.wire import AnyMessage, encode

_UNSENT_ANSWERS = 2000
"""Answers that wait until one recipient reads them; further ones are dropped.

Far more than there are slices in flight with a coordinator, and little memory for a stranger who
only asks.
"""


@dataclass(frozen=True)
class Received:
    """A message as it came in; :meth:`Listener.send` answers its ``sender``."""

    sender: bytes
    message: AnyMessage
    payload: memoryview
    key: str | None = None
    """The public key that the sender has proved to own; None where no keys are in use."""


class Listener(MessageSocket):
    """The one socket on which a worker hears coordinator and peers.

    Parameters
    ----------
    keys
        With them only connections are accepted that the context's
        :class:`~edgeseg_runtime.messaging.zap_auth.ZapAuthenticator` accepts.
    largest
        Bytes of the largest frame; whoever announces more is cut off before memory is taken for
        it.

    Raises
    ------
    BoardError
        If the endpoint can't be bound, such as a port that is taken.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        keys: KeyPair | None = None,
        largest: int = MAX_FRAME_BYTES,
    ) -> None:
        super().__init__(context, zmq.ROUTER, largest)
        self.socket.setsockopt(zmq.SNDHWM, _UNSENT_ANSWERS)
        self._has_keys = keys is not None
        if keys is not None:
            require_keys(self.socket, keys)
        try:
            self.socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.socket.close()
            raise BoardError(
                f"can't listen on {endpoint} ({zmq.strerror(error.errno or 0).lower()}); "
                "choose another address or port"
            ) from None
        self.endpoint = str(self.socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0")

    def send(
        self,
        recipient: bytes,
        message: AnyMessage,
        payload: Payload | None = None,
    ) -> None:
        """Send a message to whoever has sent one; if it has gone, the message is dropped."""
        self._send([recipient, encode(message)], payload)

    def receive(self) -> Received | None:
        """Return the next message, or None where there is none.

        Raises
        ------
        WireError
            If what came in breaks the protocol.
        """
        frames = self._receive_frames()
        if frames is None:
            return None
        key = str(frames[-1].get("User-Id")) if self._has_keys else None
        return Received(frames[0].bytes, *parse_frames(frames[1:]), key)
