"""Records are found by id, by the beginning of one, and by what happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from switchpoint.core.errors import ConfigError, RequestError
from switchpoint.core.record import Record
from switchpoint.records.log import RecordLog
from switchpoint.records.reader import PAGE, RecordReader

Make = Callable[..., Record]


@pytest.fixture
def reader(log: RecordLog, make: Make) -> RecordReader:
    """Five records: two routes, two models, one failure."""
    for record in (
        make(0),
        make(1, route="cheap"),
        make(2, accepted=0),
        make(3, accepted=None, outcome="failed"),
        make(4, id="abc-4"),
    ):
        log(record)
    log.flush()
    return RecordReader(log.database)


def ids(records: tuple[Record, ...]) -> list[str]:
    return [record.id for record in records]


def test_a_record_is_found_by_the_beginning_of_its_id(reader: RecordReader):
    assert reader.get("abc").id == "abc-4"


def test_an_exact_id_wins_over_longer_ones(log: RecordLog, make: Make):
    for name in ("a", "ab", "abc"):
        log(make(0, id=name))
    log.flush()

    assert RecordReader(log.database).get("ab").id == "ab"


def test_an_ambiguous_beginning_names_some_of_the_records(reader: RecordReader):
    with pytest.raises(RequestError, match=r"'rec' begins several records \(rec-0, rec-1, rec-2, …\)"):
        reader.get("rec")


@pytest.mark.parametrize("id", ["nobody", "ABC", "%", "abc-4 "])
def test_an_unknown_id_is_refused(reader: RecordReader, id: str):
    with pytest.raises(RequestError, match="Unknown record"):
        reader.get(id)


def test_the_newest_come_first(reader: RecordReader):
    assert ids(reader.list(limit=3)) == ["abc-4", "rec-3", "rec-2"]


def test_the_next_page_begins_after_the_last_record_of_this_one(reader: RecordReader):
    assert ids(reader.list(limit=2, before="rec-2")) == ["rec-1", "rec-0"]


def test_records_of_one_moment_are_not_lost_between_pages(log: RecordLog, make: Make):
    at = make(0).at
    for n in range(6):
        log(make(n, at=at))
    log.flush()
    reader = RecordReader(log.database)

    first = reader.list(limit=4)
    second = reader.list(limit=4, before=first[-1].id)

    assert sorted(ids(first) + ids(second)) == [f"rec-{n}" for n in range(6)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"route": "cheap"}, ["rec-1"]),
        ({"model": "small"}, ["rec-2"]),
        ({"outcome": "failed"}, ["rec-3"]),
        ({"route": "cheap", "outcome": "failed"}, []),
    ],
)
def test_records_are_found_by_what_happened(reader: RecordReader, wanted: dict[str, Any], found: list[str]):
    assert ids(reader.list(**wanted)) == found


def test_records_are_found_from_a_time_on(reader: RecordReader, make: Make):
    since = make(0).at + timedelta(minutes=3)

    assert ids(reader.list(since=since)) == ["abc-4", "rec-3"]
    assert ids(tuple(reader.all(since=since))) == ["rec-3", "abc-4"]


def test_all_records_come_oldest_first_with_their_attempts(log: RecordLog, make: Make):
    for n in range(PAGE + 50):
        log(make(n, id=f"rec-{n:04}"))
    log.flush()

    records = tuple(RecordReader(log.database).all())

    assert ids(records) == [f"rec-{n:04}" for n in range(PAGE + 50)]
    assert all(len(record.attempts) == 3 for record in records)


def test_a_missing_file_is_an_error_and_is_not_made(tmp_path: Path):
    with pytest.raises(ConfigError, match="no record log at"):
        RecordReader(tmp_path / "none.sqlite")
    assert not list(tmp_path.iterdir())
