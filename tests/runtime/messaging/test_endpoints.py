"""Endpoints are completed and checked before they are used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import BoardError, UsageError
from edgeseg_runtime.messaging.endpoints import check_peers, is_local, normalize_endpoint
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.wire import Peer

_ANY_PORT = "tcp://127.0.0.1:*"


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("10.0.0.2:7355", "tcp://10.0.0.2:7355"),
        ("tcp://pi.local:7355", "tcp://pi.local:7355"),
        ("tcp://*:7355", "tcp://*:7355"),
        (_ANY_PORT, _ANY_PORT),
        ("ipc:///tmp/worker", "ipc:///tmp/worker"),
        ("[::1]:7355", "tcp://[::1]:7355"),
        ("[fe80::1%eth0]:7355", "tcp://[fe80::1%eth0]:7355"),
    ],
)
def test_endpoints_are_completed(text: str, endpoint: str) -> None:
    assert normalize_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    ["", "pi", "pi:", ":7355", "pi:port", "pi:70000", "pi:²", "http://pi:80", "ipc://", "tcp://:1"],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it like tcp://"):
        normalize_endpoint(text)


@given(st.text(max_size=30) | st.from_regex(r"(tcp://)?[\[\]:a-z0-9.]*:[0-9]{1,6}", fullmatch=True))
def test_any_text_is_an_endpoint_or_wrong_usage(text: str) -> None:
    try:
        endpoint = normalize_endpoint(text)
    except UsageError:
        return
    assert normalize_endpoint(endpoint) == endpoint
    assert is_local(endpoint) in (True, False)


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        ("tcp://127.0.0.1:1", True),
        ("tcp://127.0.0.20:1", True),
        ("tcp://localhost:1", True),
        ("tcp://[::1]:1", True),
        ("ipc:///tmp/worker", True),
        ("tcp://0.0.0.0:1", False),
        ("tcp://*:1", False),
        ("tcp://127.0.0.1.example.org:1", False),
        ("tcp://192.168.1.20:1", False),
    ],
)
def test_only_loopback_is_local(endpoint: str, local: bool) -> None:
    assert is_local(endpoint) is local


_KEYS = KeyPair("p" * 40, "s" * 40)


@pytest.mark.parametrize("endpoint", ["tcp://10.0.0.2:7355", "ipc:///tmp/worker"])
def test_peers_can_be_sent_to_with_keys_on_both_sides_or_none(endpoint: str) -> None:
    check_peers({"b": Peer(endpoint)}, None)
    check_peers({"b": Peer(endpoint, "k" * 40)}, _KEYS)
    for peer, keys in ((Peer(endpoint), _KEYS), (Peer(endpoint, "k" * 40), None)):
        with pytest.raises(BoardError, match="b and this board must both run with a key"):
            check_peers({"b": peer}, keys)


@pytest.mark.parametrize("endpoint", ["nonsense://", "tcp://10.0.0.2:*", ""])
def test_peers_without_address_are_refused(endpoint: str) -> None:
    with pytest.raises(BoardError, match="no address to send to; correct that of b"):
        check_peers({"b": Peer(endpoint)}, None)
