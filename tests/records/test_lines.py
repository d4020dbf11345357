"""A line of the log tells ids, names and numbers; never a prompt, and never a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import ConfigError, UpstreamError
from switchpoint.core.record import Record
from switchpoint.core.trace import CURRENT, Trace
from switchpoint.records.lines import MASK, Lines, Redaction, configure, log_request

PROMPT = "the patient is called Alice"
logger = logging.getLogger("switchpoint.test")


@contextmanager
def logged(*args: Any, **options: Any) -> Iterator[io.StringIO]:
    """Log as configured while the block runs."""
    stream = io.StringIO()
    listener = configure(*args, stream=stream, **options)
    try:
        yield stream
    finally:
        listener.stop()


def test_logging_is_afterwards_as_it_was_before():
    before = logging.getLogger().handlers[:], logging.getLogger("switchpoint").level

    with logged("json", "debug"):
        assert logging.getLogger().handlers != before[0]

    assert (logging.getLogger().handlers, logging.getLogger("switchpoint").level) == before


def test_a_request_is_one_line_of_json(full: Record):
    with logged("json") as stream:
        copy_context().run(lambda: (CURRENT.set(Trace("a" * 32, "b" * 16)), log_request(full)))

    [line] = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = {"request_id": "q-0", "record_id": "rec-0", "trace_id": "a" * 32, "route": "auto", "model": "large"}
    assert told.items() <= line.items()
    assert (line["level"], line["logger"], line["outcome"]) == ("info", "switchpoint.requests", "answered")
    assert (line["cost_usd"], line["latency_s"], line["attempts"]) == (0.00221, 1.0, 3)


def test_a_request_line_tells_nothing_that_was_said(full: Record):
    with logged("json", "debug") as stream:
        log_request(replace(full, outcome="failed", accepted=None, attempts=full.attempts[:2]))

    assert json.loads(stream.getvalue())["failure"] == "RateLimited"
    assert not [word for word in ("France", "Lyon", "slow down", "acme") if word in stream.getvalue()]


def test_requests_are_not_logged_above_info(full: Record):
    with logged("json", "warning") as stream:
        log_request(full)

    assert stream.getvalue() == ""


def fail(error: Exception) -> None:
    try:
        try:
            raise ValueError(PROMPT)
        except ValueError as cause:
            raise error from cause
    except Exception:
        logger.exception("It failed.")


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_an_error_is_told_by_its_class_and_its_causes_alone(form: Any, level: Any):
    with logged(form, level) as stream:
        fail(UpstreamError(f"upstream 'x' answered 400: {PROMPT}"))

    assert "UpstreamError" in stream.getvalue() and "ValueError" in stream.getvalue()
    assert "Alice" not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1


def test_what_the_operator_must_mend_is_told_in_our_own_words():
    with logged("json") as stream:
        fail(ConfigError("gateway.port: is taken"))

    assert json.loads(stream.getvalue())["error_message"] == "gateway.port: is taken"


@pytest.mark.parametrize(("level", "told"), [("debug", True), ("info", False)])
def test_where_an_error_passed_is_told_at_debug(level: Any, told: bool):
    with logged("json", level) as stream:
        fail(UpstreamError("no"))

    assert ("test_lines.py:" in stream.getvalue()) is told


@pytest.mark.parametrize(
    "secret",
    [
        "Bearer abc.def/ghi+jkl==",
        "sk-proj-0123456789abcdefghij",
        "sk-ant-api03-0123456789abcdefgh_-x",
        "gsk_0123456789abcdefghij",
        "AIzaSyA0123456789-abcdefghijklmnopq",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "planted!secret",
    ],
)
def test_whatever_looks_like_a_key_or_is_known_to_be_one_is_masked(secret: str):
    masked = Redaction(["planted!secret", "short"])(f"before {secret} after, in short")

    assert masked == f"before {MASK} after, in short"


def test_a_password_in_a_url_is_masked():
    assert Redaction()("postgresql://user:hunter2@db/x") == f"postgresql://{MASK}db/x"


def test_what_others_log_is_masked_too():
    with logged("json", secrets=["0123-planted-key"]) as stream:
        logging.getLogger("somebody.else").warning("calling with %s", "0123-planted-key")

    assert json.loads(stream.getvalue())["message"] == f"calling with {MASK}"


@given(st.text())
def test_a_line_is_one_line_whatever_it_says(text: str):
    entry = logging.LogRecord("switchpoint", logging.INFO, "", 0, "%s", (text,), None)

    assert "\n" not in Lines("text", Redaction()).format(entry)
    assert "\n" not in Lines("json", Redaction()).format(entry)


def test_masking_takes_time_that_grows_with_the_line_alone():
    line = "sk-" + "a-" * 50_000

    assert Redaction()(line) != line


def test_a_log_that_is_not_read_keeps_no_request_waiting():
    with logged("json") as stream:
        logging.getLogger().handlers[0].queue.maxsize = 1
        for _ in range(100):
            logger.info("again")

    assert 1 <= len(stream.getvalue().splitlines()) <= 100
