"""Asking a gateway for every cell, and putting what came of it in the words of the matrix."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx2

from switchpoint.core.record import Record
from tests.chaos.cells import OK, Cell, Form, Sees, Way
from tests.chaos.gateway import USER, Gateway
from tests.chaos.rows import CELLS, WAIT_S, Row

AT_ONCE = 12
WAITING = frozenset({"hasty", "deaf"})
"""Upstreams of which nothing comes but a timeout, which costs no work."""

ROUTES = {Way.PLAIN: "{}", Way.ROUTER: "router-of-{}", Way.CASCADE: "cascade-of-{}"}

Key = tuple[str, Way, Form]


class Seen:
    """What a caller got: status, headers, and what is in the body."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.events = [line[6:] for line in response.text.split("\n") if line.startswith("data: ")]
        self.streamed = response.headers["content-type"].startswith("text/event-stream")

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Every JSON object that came."""
        if not self.streamed:
            return [self.response.json()]
        return [json.loads(event) for event in self.events if event != "[DONE]"]

    @property
    def error(self) -> dict[str, Any] | None:
        return next((body["error"] for body in self.bodies if "error" in body), None)

    @property
    def text(self) -> str:
        """The words of the answer."""
        choices = [choice for body in self.bodies for choice in body.get("choices", ())]
        return "".join(
            (choice.get("delta") or choice.get("message"))["content"] or "" for choice in choices if _has(choice)
        )

    @property
    def sees(self) -> Sees:
        if self.error is None:
            whole = not self.streamed or self.events[-1] == "[DONE]"
            assert whole and self.text, f"neither an answer nor an error: {self.response.text[:500]!r}"
            return Sees.ANSWER
        if not self.streamed:
            return Sees.ERROR
        assert self.text and "[DONE]" not in self.events, (
            f"not the form of a broken stream: {self.response.text[:500]!r}"
        )
        return Sees.BROKEN

    @property
    def model(self) -> str | None:
        """The model that is said to have answered; headers and every body must agree."""
        told = self.response.headers.get("x-switchpoint-model")
        named = {body["model"] for body in self.bodies if "error" not in body}
        assert named <= {told}, f"the header says {told}, the body {named}"
        return told


def _has(choice: dict[str, Any]) -> bool:
    return "content" in (choice.get("delta") or choice.get("message") or {})


def cell_of(seen: Seen, record: Record) -> Cell:
    """Put what was seen and what was recorded in the words of the matrix."""
    headers = seen.response.headers
    wait = headers.get("retry-after")
    return Cell(
        status=seen.response.status_code,
        sees=seen.sees,
        attempts=tuple(attempt.failure.kind if attempt.failure else OK for attempt in record.attempts),
        outcome=record.outcome,
        code=None if seen.error is None else seen.error["code"],
        model=seen.model,
        retry=headers.get("x-should-retry"),
        retry_after_s=None if wait is None else _about(int(wait)),
        bill_known=record.cost_usd is not None,
    )


def _about(wait_s: int) -> int:
    """Return a wait; one until a date, which has whole seconds, is a little shorter than it was said to be."""
    return WAIT_S if WAIT_S - 2 <= wait_s <= WAIT_S else wait_s


async def ask_all(gateway: Gateway) -> dict[Key, Seen]:
    """Ask for every cell: those that wait for a timeout all at once, then the others, some at a time."""
    waiting = [each for each in CELLS if each[0].upstream in WAITING]
    others = [each for each in CELLS if each[0].upstream not in WAITING]
    async with httpx2.AsyncClient(
        base_url=gateway.url, timeout=60, limits=httpx2.Limits(max_connections=None)
    ) as client:
        return await _ask(client, waiting, len(waiting)) | await _ask(client, others, AT_ONCE)


async def _ask(client: httpx2.AsyncClient, cells: Sequence[tuple[Row, Way, Form]], at_once: int) -> dict[Key, Seen]:
    turn = asyncio.Semaphore(at_once)

    async def ask(row: Row, way: Way, form: Form) -> tuple[Key, Seen]:
        key = (row.name, way, form)
        async with turn:
            return key, Seen(await _post(client, key))

    return dict(await asyncio.gather(*(ask(*each) for each in cells)))


def request_id(key: Key) -> str:
    """Return the id under which a cell is asked for, and recorded."""
    return ":".join(key)


async def _post(client: httpx2.AsyncClient, key: Key) -> httpx2.Response:
    name, way, form = key
    body = {"model": ROUTES[way].format(name), "messages": [USER], "stream": form is Form.STREAMED}
    return await client.post("/v1/chat/completions", json=body, headers={"x-request-id": request_id(key)})
