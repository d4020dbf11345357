"""Lines: what is logged, as JSON or as text on stderr. Never what was said, and never a secret.

A failure is told by its class and those of its causes; by its message only where that is our own and quotes nobody.
Frames of a traceback are told at level debug alone, and never the messages in it. Whatever looks like a key is masked
last of all: a line of defence, which nothing should reach.
"""

from __future__ import annotations

import logging
import queue
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from traceback import extract_tb
from typing import Any, Literal, TextIO

import msgspec

from switchpoint.core.errors import ArtifactError, ConfigError, StoreUnavailable
from switchpoint.core.record import Record
from switchpoint.core.trace import CURRENT

Format = Literal["json", "text"]
Level = Literal["debug", "info", "warning", "error"]

OUR_OWN = (ConfigError, ArtifactError, StoreUnavailable)
"""Errors whose message is written by us and for the operator; any other may quote a prompt."""

WAITING = 10_000
"""Lines that wait to be written at most; later ones are dropped, because no request waits for a log."""

MASK = "***"
SECRET_CHARS = 8
"""A secret is masked from this length on; shorter ones are no keys."""

SHAPES = re.compile(
    r"(?i:\bbearer\s+|\bbasic\s+)[^\s\"',;]+"  # a header of authorization
    r"|\b(?:sk|pk|sp|rk|gsk|xai|hf|ghp|ghs|key)[-_][-_A-Za-z0-9]{12,}|\bAIza[-_A-Za-z0-9]{12,}"  # keys of vendors
    r"|\beyJ[-_A-Za-z0-9]{8,500}\.[-_.A-Za-z0-9]+"  # a JSON web token
    r"|(?<=//)[^\s/@\"']+@"  # user and password in a URL
)

_requests = logging.getLogger("switchpoint.requests")


def log_request(record: Record) -> None:
    """Log a query that has ended; a sink. One line at level info, of names and numbers alone."""
    if not _requests.isEnabledFor(logging.INFO):
        return
    _requests.info("Request %s.", record.outcome, extra={"fields": _fields(record)})


def configure(
    form: Format = "text", level: Level = "info", *, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> QueueListener:
    """Send what this process logs to stderr, from a thread; stop what is returned to write out what waits.

    level : of Switchpoint's own loggers; of all others only warnings are logged. secrets : masked in every line.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines(form, Redaction(secrets), frames=level == "debug"))
    waiting: queue.Queue[Any] = queue.Queue(WAITING)
    root = logging.getLogger()
    listener = _Writing(waiting, handler)
    root.handlers[:] = [_Handing(waiting)]
    root.setLevel(logging.WARNING)
    logging.getLogger("switchpoint").setLevel(level.upper())
    listener.start()
    return listener


class Redaction:
    """Masks secrets: those that are known, and whatever has the shape of one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({word for secret in secrets for word in secret.split()}, key=len, reverse=True)
        self._known = tuple(word for word in known if len(word) >= SECRET_CHARS)

    def __call__(self, text: str) -> str:
        """Return the text with every secret masked."""
        for secret in self._known:
            text = text.replace(secret, MASK)
        return SHAPES.sub(MASK, text)


class Lines(logging.Formatter):
    """Writes one line for an entry of the log. frames : whether those of a traceback are told."""

    def __init__(self, form: Format, redaction: Redaction, *, frames: bool = False) -> None:
        super().__init__()
        self._json, self._redacted, self._frames = form == "json", redaction, frames

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
            **self._failure(record),
        }
        line = msgspec.json.encode(said).decode() if self._json else _text(said)
        return self._redacted(line)

    def _failure(self, record: logging.LogRecord) -> dict[str, object]:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return {}
        chain = list(_chain(error))
        own = {"error_message": str(error)} if isinstance(error, OUR_OWN) else {}
        frames = {"frames": [_frame(each) for each in chain]} if self._frames else {}
        return {"error": [type(each).__name__ for each in chain], **own, **frames}


class _Handing(QueueHandler):
    """Hands entries over as they are: they are formatted by the thread that writes them."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return the entry."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Hand it over, unless too many wait."""
        try:
            super().enqueue(record)
        except queue.Full:
            return


class _Writing(QueueListener):
    """Writes what was handed over, from a thread; at its end logging is as it was before."""

    def __init__(self, waiting: queue.Queue[Any], handler: logging.Handler) -> None:
        super().__init__(waiting, handler)
        self._waiting = waiting
        self._loggers = [logging.getLogger(), logging.getLogger("switchpoint")]
        self._before = [(logger.handlers[:], logger.level) for logger in self._loggers]

    def stop(self) -> None:
        """Write what waits, and stop."""
        super().stop()
        for logger, (handlers, level) in zip(self._loggers, self._before, strict=True):
            logger.handlers[:] = handlers
            logger.setLevel(level)

    def enqueue_sentinel(self) -> None:
        """Say that nothing more comes, once there is room to say it."""
        self._waiting.put(None)


def _fields(record: Record) -> dict[str, object]:
    trace = CURRENT.get()
    last = record.attempts[-1].failure if record.attempts else None
    return {
        "request_id": record.query_id,
        "trace_id": None if trace is None else trace.trace_id,
        "record_id": record.id,
        "route": record.route,
        "strategy": record.strategy,
        "model": record.answered_by,
        "outcome": record.outcome,
        "failure": last.kind if last is not None and record.accepted is None else None,
        "attempts": len(record.attempts),
        "cost_usd": _number(record.cost_usd),
        "latency_s": round(record.latency_s, 6),
        "decide_s": round(record.decide_s, 6),
        "ttft_s": None if record.ttft_s is None else round(record.ttft_s, 6),
    }


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _text(said: Mapping[str, object]) -> str:
    head = "{at} {level} {logger}: {message}".format(**said)
    rest = {name: value for name, value in said.items() if name not in ("at", "level", "logger", "message")}
    line = " ".join([head, *(f"{name}={value}" for name, value in rest.items() if value is not None)])
    return line.encode("utf-8", "replace").decode().replace("\r", "\\r").replace("\n", "\\n")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, the outermost first."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _frame(error: BaseException) -> list[str]:
    """Return where an error passed through, without the lines of code, which may hold a text."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]
