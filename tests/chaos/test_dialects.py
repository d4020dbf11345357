"""The same faults asked for in the other dialects: the same status, and the error in that dialect's own form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.chaos.cells import Cell, Form, Sees, Way
from tests.chaos.gateway import USER, Gateway, running
from tests.chaos.observing import ROUTES
from tests.chaos.rows import ROWS, Row

FAULTS = ("refuses", "status-400", "status-401", "status-429", "status-503", "error-200", "cut-before-3", "error-event")
CHOSEN = [row for row in ROWS if row.name in FAULTS]


class Spoken(NamedTuple):
    """A dialect as a caller sees it. ends : the event of a stream that is whole; fails : of one that broke."""

    path: str
    asks: dict[str, Any]
    ends: str
    fails: str


DIALECTS = {
    "messages": Spoken("/v1/messages", {"messages": [USER], "max_tokens": 100}, "message_stop", "error"),
    "responses": Spoken("/v1/responses", {"input": USER["content"]}, "response.completed", "error"),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    behaviours = {row.name: row.behave for row in CHOSEN if row.behave is not None}
    with running(
        tmp_path_factory.mktemp("dialects"), behaviours, {row.name: row.upstream for row in CHOSEN}
    ) as gateway:
        yield gateway


def ask(gateway: Gateway, spoken: Spoken, row: Row, way: Way, form: Form) -> httpx2.Response:
    body = {"model": ROUTES[way].format(row.name), **spoken.asks, "stream": form is Form.STREAMED}
    headers = {"x-request-id": f"{spoken.ends}:{row.name}:{way}:{form}"}
    return httpx2.post(gateway.url + spoken.path, json=body, headers=headers)


def events(response: httpx2.Response) -> list[str]:
    """Return the types of the events of a stream."""
    return [json.loads(line[6:])["type"] for line in response.text.split("\n") if line.startswith("data: ")]


def sees(response: httpx2.Response, spoken: Spoken) -> Sees:
    """Say what the caller gets; raises where the response has not the form of the dialect."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        return Sees.ERROR if response.json().get("error") else Sees.ANSWER
    last = events(response)[-1]
    return {spoken.ends: Sees.ANSWER, spoken.fails: Sees.BROKEN}[last]


def told(cell: Cell) -> tuple[int, Sees, str | None, str | None]:
    return cell.status, cell.sees, cell.model, cell.retry


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("row", CHOSEN, ids=lambda row: row.name)
@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_every_dialect_tells_the_same_in_its_own_form(gateway: Gateway, dialect: str, row: Row, way: Way, form: Form):
    spoken = DIALECTS[dialect]

    response = ask(gateway, spoken, row, way, form)

    headers = response.headers
    seen = response.status_code, sees(response, spoken)
    assert (*seen, headers.get("x-switchpoint-model"), headers.get("x-should-retry")) == told(row.cell(way, form))
