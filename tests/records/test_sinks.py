"""One sink that fails does not keep a record from the others."""

from __future__ import annotations

import logging

import pytest

from switchpoint.core.record import Record
from switchpoint.records.sinks import fan_out


def test_every_sink_gets_the_record_in_order(full: Record):
    seen: list[tuple[str, Record]] = []

    fan_out(lambda r: seen.append(("first", r)), lambda r: seen.append(("second", r)))(full)

    assert seen == [("first", full), ("second", full)]


def test_a_failing_sink_is_logged_without_its_words_and_the_next_is_served(
    full: Record, caplog: pytest.LogCaptureFixture
):
    seen: list[Record] = []

    def broken(record: Record) -> None:
        raise RuntimeError(f"cannot take {record.messages}")

    with caplog.at_level(logging.WARNING):
        fan_out(broken, seen.append)(full)

    assert seen == [full]
    assert "RuntimeError" in caplog.text
    assert "France" not in caplog.text


def test_without_sinks_nothing_happens(full: Record):
    fan_out()(full)
