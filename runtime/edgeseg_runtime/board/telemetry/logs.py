"""The log of a worker: one line an event, as text or JSON; never slice data, never a flood."""

import json
import logging
import os
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

LogForm: TypeAlias = Literal["text", "json"]

MAX_CHARACTERS = 1000
"""Names in a message may come from the network; no line grows beyond this."""

MAX_REPEATS, REPEAT_SECONDS = 5, 10.0
"""So many events of one kind are logged in that time; further ones are counted."""

_LEVELS = {None: logging.INFO, True: logging.DEBUG, False: logging.ERROR}
_log = logging.getLogger("edgeseg_runtime")


def log_event(level: int, event: str, **fields: object) -> None:
    """Log an event with fields: ``log_event(logging.INFO, "coordinator came", session="1f2e")``."""
    _log.log(level, event, extra={"fields": fields})


class TextLines(logging.Formatter):
    """``2026-11-23T17:48:39Z info coordinator came session=1f2e3d4c``."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one event."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_utc(record)} {_level(record)} {_event(record)}{fields}"
        return _bounded("".join(c if c.isprintable() else " " for c in line))


class JsonLines(logging.Formatter):
    """One object a line: ``time``, ``level``, ``event``, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one event."""
        fields = {
            name: _bounded(value) if isinstance(value, str) else value
            for name, value in _fields(record).items()
        }
        head = {"time": _utc(record), "level": _level(record), "event": _bounded(_event(record))}
        # ASCII: what a stranger wrote must not hold a line separator of some reader.
        return json.dumps(head | fields, default=str)


class RepeatLimiter(logging.Filter):
    """Lets the first events of a kind through and counts the rest, for the next line of that kind.

    Parameters
    ----------
    clock
        Returns seconds, such as ``time.monotonic``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._counts: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the event is logged; errors always are."""
        if record.levelno >= logging.ERROR:
            return True
        now = self._clock()
        # The template, not the text: what a stranger wrote must not make a kind of its own.
        since, count = self._counts.get(record.msg, (now, 0))
        suppressed = max(0, count - MAX_REPEATS)
        if now - since > REPEAT_SECONDS:
            since, count = now, 0
        self._counts[record.msg] = since, count + 1
        if count == 0 and suppressed:
            record.fields = _fields(record) | {"unsaid": suppressed}
        return count < MAX_REPEATS


def configure(form: LogForm, verbose: bool | None) -> None:
    """Log to standard error.

    The handler writes to a duplicate of the descriptor, so that nothing is lost while the output
    of LiteRT to standard error is muted.

    Parameters
    ----------
    form
        How a line looks.
    verbose
        None logs events, True all orders too, False errors alone.
    """
    handler = logging.StreamHandler(os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8"))
    handler.setFormatter(formatter(form))
    handler.addFilter(RepeatLimiter())
    logging.basicConfig(level=_LEVELS[verbose], handlers=[handler], force=True)


def formatter(form: LogForm) -> logging.Formatter:
    """Return the formatter of that form."""
    return JsonLines() if form == "json" else TextLines()


def start_line(form: LogForm, endpoint: str) -> str:
    """Return the line that a worker prints once it listens, also for its parent process."""
    if form == "text":
        return f"listening on {endpoint}"
    record = logging.makeLogRecord(
        {"levelno": logging.INFO, "msg": "listening", "fields": {"endpoint": endpoint}}
    )
    return JsonLines().format(record)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields


def _level(record: logging.LogRecord) -> str:
    return logging.getLevelName(record.levelno).lower()


def _event(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        return f"{record.getMessage()} ({type(error).__name__}: {error})"
    return record.getMessage()


def _utc(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."
