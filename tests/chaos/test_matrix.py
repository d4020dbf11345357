"""Every cell of the matrix: what an upstream does wrong, however it is asked, is what the declaration says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from switchpoint.core.record import Record
from tests.chaos.behaviours import bomb
from tests.chaos.cells import Form, Way
from tests.chaos.gateway import Gateway, running
from tests.chaos.observing import Key, Seen, ask_all, cell_of, request_id
from tests.chaos.rows import CELLS, ROWS, Row


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    behaviours = {row.name: row.behave for row in ROWS if row.behave is not None}
    bomb()  # made before anybody waits for it
    upstream_of = {row.name: row.upstream for row in ROWS}
    with running(tmp_path_factory.mktemp("matrix"), behaviours, upstream_of) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def seen(gateway: Gateway) -> dict[Key, Seen]:
    """What came of asking for every cell once."""
    return asyncio.run(ask_all(gateway))


@pytest.fixture(scope="module")
def records(gateway: Gateway, seen: dict[Key, Seen]) -> dict[str, Record]:
    return gateway.records()


@pytest.mark.parametrize(("row", "way", "form"), CELLS, ids=lambda part: getattr(part, "name", str(part)).lower())
def test_what_is_observed_is_what_is_declared(
    row: Row, way: Way, form: Form, seen: dict[Key, Seen], records: dict[str, Record]
):
    key = (row.name, way, form)

    observed = cell_of(seen[key], records[request_id(key)])

    assert observed == row.cell(way, form)


def test_every_request_leaves_one_record(seen: dict[Key, Seen], records: dict[str, Record]):
    assert sorted(records) == sorted(map(request_id, seen))


def test_no_redirection_was_followed(gateway: Gateway, seen: dict[Key, Seen]):
    assert {request.path for request in gateway.upstream.requests} == {"/v1/chat/completions"}


def test_the_record_keeps_the_name_that_an_upstream_claims(records: dict[str, Record]):
    claimed = records[request_id(("other-name", Way.PLAIN, Form.WHOLE))].answer

    assert claimed is not None and claimed.model == "somebody-else"
