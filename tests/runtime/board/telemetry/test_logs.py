"""What a worker logs: one line an event, as text or JSON, bounded, and never a flood."""

import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import Ran, Workers, edgeseg_process, output_of
from talking import Sockets, greet

from edgeseg_runtime.board.telemetry.logs import (
    MAX_CHARACTERS,
    MAX_REPEATS,
    REPEAT_SECONDS,
    JsonLines,
    RepeatLimiter,
    TextLines,
    start_line,
)
from edgeseg_runtime.messaging.wire import Bye


def _record(message: str = "refused a message", level: int = logging.WARNING, **fields: Any) -> Any:
    record = logging.LogRecord("edgeseg_runtime", level, __file__, 1, message, (), None)
    record.created = 1_795_456_119.0
    if fields:
        record.fields = fields
    return record


def test_text_is_time_level_event_and_fields() -> None:
    line = TextLines().format(_record(reason="too long", count=2))
    assert line == "2026-11-23T17:48:39Z warning refused a message reason=too long count=2"


def test_json_is_one_object_a_line() -> None:
    line = JsonLines().format(_record("coordinator came", logging.INFO, session="1f2e"))
    assert json.loads(line) == {
        "time": "2026-11-23T17:48:39Z",
        "level": "info",
        "event": "coordinator came",
        "session": "1f2e",
    }


@given(st.text(), st.text(max_size=3000))
def test_nothing_from_the_network_breaks_a_line(message: str, reason: str) -> None:
    record = _record(message.replace("%", ""), reason=reason)
    text, written = TextLines().format(record), JsonLines().format(record)
    assert len(text.splitlines()) == 1
    assert len(text) <= MAX_CHARACTERS + 3
    assert len(json.loads(written)["reason"]) <= MAX_CHARACTERS + 3
    assert len(written.splitlines()) == 1


def test_plain_records_of_other_modules_are_events_too() -> None:
    record = _record()
    record.msg, record.args = "turned away %s", ("10.0.0.7",)
    assert TextLines().format(record).endswith("warning turned away 10.0.0.7")
    record.exc_info = (ValueError, ValueError("broken"), None)
    assert "turned away 10.0.0.7 (ValueError: broken)" in TextLines().format(record)


def test_a_flood_of_one_kind_is_cut_and_counted() -> None:
    now = [0.0]
    limiter = RepeatLimiter(lambda: now[0])
    flood = [_record(reason=str(number)) for number in range(100)]
    assert sum(map(limiter.filter, flood)) == MAX_REPEATS
    assert limiter.filter(_record("another kind"))
    now[0] = REPEAT_SECONDS + 1
    after = _record(reason="again")
    assert limiter.filter(after)
    assert after.fields == {"reason": "again", "unsaid": 100 - MAX_REPEATS}
    assert sum(limiter.filter(_record()) for _ in range(100)) == MAX_REPEATS - 1


def test_errors_are_never_cut() -> None:
    limiter = RepeatLimiter(lambda: 0.0)
    assert all(limiter.filter(_record("a slice failed", logging.ERROR)) for _ in range(100))


def test_texts_that_differ_are_of_one_kind() -> None:
    limiter, records = RepeatLimiter(lambda: 0.0), [_record("turned away %s") for _ in range(50)]
    for number, record in enumerate(records):
        record.args = (f"10.0.0.{number}",)
    assert sum(map(limiter.filter, records)) == MAX_REPEATS


def test_the_start_line_is_for_people_and_for_programs() -> None:
    assert start_line("text", "tcp://127.0.0.1:1") == "listening on tcp://127.0.0.1:1"
    line = json.loads(start_line("json", "tcp://127.0.0.1:1"))
    assert (line["event"], line["endpoint"]) == ("listening", "tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("verbose", "levels"),
    [
        (None, ["info", "warning", "error"]),
        (False, ["error"]),
        (True, ["debug", "info", "warning", "error"]),
    ],
)
def test_quiet_unless_told_otherwise(verbose: bool | None, levels: list[str]) -> None:
    """In a process of its own, whose standard error is muted as while LiteRT loads."""
    script = (
        "import logging\n"
        "from edgeseg.output.native_output import STANDARD_ERROR, muted\n"
        "from edgeseg_runtime.board.telemetry.logs import configure, log_event\n"
        f"configure('json', {verbose})\n"
        "with muted(STANDARD_ERROR):\n"
        "    for level in (10, 20, 30, 40):\n"
        "        log_event(level, 'something', number=level)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, env=os.environ
    )
    assert [json.loads(line)["level"] for line in run.stderr.splitlines()] == levels


def test_a_worker_logs_who_comes_and_goes_and_what_it_refuses(sockets: Sockets) -> None:
    """Everything on either stream is one JSON object a line."""
    words = ("--listen", "tcp://127.0.0.1:*", "--log-format", "json")
    process = edgeseg_process("worker", *words)
    with process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        link = sockets.link(started["endpoint"])
        greet(link, "0123456789abcdef")
        for _ in range(50):
            sockets.raw(started["endpoint"]).send(b"garbage")
        link.send(Bye("0123456789abcdef"))
        greet(link, "another")
        process.terminate()
        ended = output_of(process)
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert started["event"] == "listening"
    assert all({"time", "level", "event"} <= set(event) for event in events)
    assert events[0]["session"] == "01234567"  # enough to tell sessions apart, too little to join
    log = [event["event"] for event in events]
    assert log.count("refused a message") <= MAX_REPEATS
    assert [event for event in log if event != "refused a message"] == [
        "coordinator came",
        "coordinator went",
        "coordinator came",
        "stopped while serving",
    ]


def test_a_quiet_worker_says_where_it_listens_and_no_more(
    workers: Workers, sockets: Sockets
) -> None:
    worker = workers.start("--quiet")
    greet(sockets.link(worker.endpoint))
    sockets.raw(worker.endpoint).send(b"garbage")
    worker.process.terminate()
    assert output_of(worker.process) == Ran(0, "", "")
