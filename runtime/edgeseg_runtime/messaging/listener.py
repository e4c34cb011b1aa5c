"""The socket on which a worker listens to coordinator and boards."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import zmq

from edgeseg.errors import BoardError
from edgeseg_runtime.messaging.addresses import address_problem, needs_ipv6
from edgeseg_runtime.messaging.connection_guard import MAX_CONNECTIONS, ConnectionGuard
from edgeseg_runtime.messaging.curve_sockets import require_keys
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.transport import PARTS_AT_ONCE, MessageSocket, Payload
from edgeseg_runtime.messaging.wire import AnyMessage, declared_bytes
from edgeseg_runtime.messaging.wire.parts import Assembler, DamagedError

_UNSENT_ANSWERS = 2000
"""Parts of answers that wait until one recipient reads them; further ones are dropped.

Far more than there are slices in flight with a coordinator, and little memory for a stranger who
only asks.
"""

_REMEMBERED_SENDERS = 4 * MAX_CONNECTIONS


@dataclass(frozen=True)
class Sender:
    """Who has sent something.

    Attributes
    ----------
    address
        ZeroMQ's name of the connection; :meth:`Listener.send` answers to it.
    key
        The public key that the sender has proved to own; None where no keys are in use.
    """

    address: bytes
    key: str | None = None


@dataclass(frozen=True)
class Received:
    """A message as it came in; :meth:`Listener.send` answers its ``sender``."""

    sender: bytes
    message: AnyMessage
    payload: memoryview
    key: str | None = None
    """The public key that the sender has proved to own; None where no keys are in use."""


class SenderDamagedError(DamagedError):
    """What came from one sender can't be relied on.

    Attributes
    ----------
    sender
        ZeroMQ's name of the connection.
    """

    def __init__(self, sender: bytes, error: DamagedError) -> None:
        super().__init__(str(error))
        self.sender = sender


PayloadLimit: TypeAlias = Callable[[Sender, AnyMessage], int]
"""Returns how many bytes of payload a message of somebody may bring."""


@dataclass
class _Channel:
    """What is known of one connection: its parts on the way, in both directions."""

    assembler: Assembler
    parts_sent: int = 0
    descriptor: int = field(default=-1)


class Listener(MessageSocket):
    """The one socket on which a worker hears coordinator and peers.

    Parameters
    ----------
    keys
        With them only connections are accepted that the context's
        :class:`~edgeseg_runtime.messaging.zap_auth.ZapAuthenticator` accepts.
    wake
        Called in another thread when :meth:`receive` should be called soon.

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
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(context, zmq.ROUTER, sealed=keys is not None)
        self.socket.setsockopt(zmq.SNDHWM, _UNSENT_ANSWERS)
        self._has_keys = keys is not None
        if keys is not None:
            require_keys(self.socket, keys)
        self._channels: OrderedDict[bytes, _Channel] = OrderedDict()
        self._guard = ConnectionGuard(self.socket, wake)
        try:
            self.socket.setsockopt(zmq.IPV6, needs_ipv6(endpoint))
            self.socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            problem = address_problem(endpoint) or (
                f"{zmq.strerror(error.errno or 0).lower()}; choose another address or port"
            )
            raise BoardError(f"can't listen on {endpoint}: {problem}") from None
        self.endpoint = str(self.socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0")

    def send(
        self,
        recipient: bytes,
        message: AnyMessage,
        payload: Payload | None = None,
    ) -> None:
        """Send a message to whoever has sent one; if it has gone, the message is dropped."""
        channel = self._channel(recipient)
        channel.parts_sent = self._send([recipient], message, payload, channel.parts_sent)

    def receive(self, limit_of: PayloadLimit | None = None) -> Received | None:
        """Return the next message that is complete, or None where there is none.

        Parameters
        ----------
        limit_of
            Says how many bytes of payload a message may bring; one with more is returned with
            none. Left out, a message may bring what its header says.

        Raises
        ------
        SenderDamagedError
            If a message was changed or lost on its way.
        WireError
            If what came in breaks the protocol.
        """
        for _ in range(PARTS_AT_ONCE):
            frames = self._receive_frames()
            if frames is None:
                self._guard.drained()
                return None
            sender = frames[0].bytes
            key = str(frames[-1].get("User-Id")) if self._has_keys else None
            channel = self._channel(sender)
            channel.descriptor = _descriptor(frames[-1])
            self._guard.took(channel.descriptor)
            received = self._accept(channel, Sender(sender, key), frames[1:], limit_of)
            if received is not None:
                return received
        return None

    def cut(self, sender: bytes) -> None:
        """End the connection of a sender."""
        channel = self._channels.pop(sender, None)
        if channel is not None:
            self._guard.cut(channel.descriptor)

    def close(self) -> None:
        """Close the socket; ZeroMQ has a moment to send what is queued."""
        self._guard.close()
        super().close()

    def _accept(
        self,
        channel: _Channel,
        sender: Sender,
        frames: list[zmq.Frame],
        limit_of: PayloadLimit | None,
    ) -> Received | None:
        def limit(message: AnyMessage) -> int:
            return declared_bytes(message) if limit_of is None else limit_of(sender, message)

        try:
            complete = channel.assembler.accept([frame.buffer for frame in frames], limit)
        except DamagedError as error:
            raise SenderDamagedError(sender.address, error) from None
        return None if complete is None else Received(sender.address, *complete, sender.key)

    def _channel(self, sender: bytes) -> _Channel:
        """Return what is known of a connection; of many, those used least are forgotten."""
        if sender not in self._channels:
            self._channels[sender] = _Channel(Assembler(sealed=self._sealed))
            if len(self._channels) > _REMEMBERED_SENDERS:
                self._channels.popitem(last=False)
        self._channels.move_to_end(sender)
        return self._channels[sender]


def _descriptor(frame: zmq.Frame) -> int:
    """Return the descriptor of the connection that a frame came over; -1 if it is not told.

    It is not of those who speak ZeroMQ's first protocol, which every run of bytes may begin.
    """
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return -1
