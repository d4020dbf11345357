"""Threat 16: a stream that breaks and leaves its reader waiting, or believing that it is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.fake_openai import Behaviour, Exchange
from tests.security.conftest import SPOKEN, Stand, standing

GOOD_ENDS = {"chat": {"[DONE]"}, "responses": {"response.completed"}, "messages": {"message_stop"}}
BAD_ENDS = {"chat": {"error"}, "responses": {"response.failed", "error"}, "messages": {"error"}}
FAULTS = ("truncated", "unfinished", "error-event", "stalls", "empty-stream", "hangs-up", "broken-json", "fails")
WHOLE = ("ok", "tools", "lingers", "undone")


async def written(exchange: Exchange) -> None:
    """Stream an answer in four events."""
    await exchange.delta(role="assistant", content="Hel")
    await exchange.delta(content="lo")
    await exchange.delta("stop")
    await exchange.event("[DONE]")


class Recording:
    """Takes what is written, as a connection would."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None:
        pass


def dying_after(count: int) -> Behaviour:
    """Send so many bytes of the stream, then close the connection."""

    async def behave(exchange: Exchange) -> None:
        kept, exchange.writer = exchange.writer, Recording()  # type: ignore[assignment]
        await written(exchange)
        data, exchange.writer = exchange.writer.data, kept  # type: ignore[attr-defined]
        await exchange.write(data[:count])
        exchange.over = True

    return behave


LENGTH = 900
"""About as long as the stream with its head is."""

CUTS = tuple(range(0, LENGTH, 9))


@pytest.fixture(scope="module")
def dying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("dying"), {f"dies-{cut}": dying_after(cut) for cut in CUTS}) as stand:
        yield stand


def ends(response: httpx2.Response, dialect: str) -> list[str]:
    """The terminal events of a stream, in their order; of a response that is none, its error."""
    if response.headers["content-type"] == "application/json":
        return ["error"] if response.status_code >= 400 and "error" in response.json() else ["no stream"]
    payloads = [line[5:].strip() for line in response.text.splitlines() if line.startswith("data:")]
    kinds = [said if said == "[DONE]" else kind(json.loads(said)) for said in payloads]
    found = [each for each in kinds if each in GOOD_ENDS[dialect] | BAD_ENDS[dialect] | {"response.incomplete"}]
    # Two events, one end: some clients of Responses look for the one, some for the other, which is the very last.
    return found[:1] if found == ["response.failed", "error"] == kinds[-2:] else found


def kind(event: dict[str, object]) -> str:
    return "error" if "error" in event and "type" not in event else str(event.get("type"))


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_stream_that_breaks_ends_with_one_error(stand: Stand, dialect: str, fault: str):
    """Threat 16: and with nothing that says that it is whole."""
    found = ends(stand.ask(dialect, model=fault, stream=True), dialect)

    assert len(found) == 1 and found[0] in BAD_ENDS[dialect]


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("model", WHOLE)
def test_a_stream_that_is_whole_ends_once(stand: Stand, dialect: str, model: str):
    """Threat 16."""
    found = ends(stand.ask(dialect, model=model, stream=True), dialect)

    assert len(found) == 1 and found[0] in GOOD_ENDS[dialect]


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("cut", CUTS)
def test_wherever_an_upstream_dies_there_is_one_end_and_the_record_agrees(dying: Stand, dialect: str, cut: int):
    """Threat 16: an answer counts as whole exactly where the reader is told so."""
    response = dying.ask(dialect, model=f"dies-{cut}", stream=True)
    found = ends(response, dialect)

    assert len(found) == 1
    record = dying.record(response)
    assert (record.outcome == "answered") == (found[0] in GOOD_ENDS[dialect])


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_model_that_began_is_never_replaced_in_the_middle(tmp_path: Path, dialect: str):
    """Threat 16: after the first piece there is no other model's answer in the same stream."""
    with standing(tmp_path) as stand:
        response = stand.ask(dialect, model="best", stream=True, switchpoint={"allow": ["truncated", "ok"]})
        record = stand.record(response)

    models = [each.decision.model for each in record.attempts if each.committed]
    assert len(models) == 1
