"""Sharing: what one replica has shut the others learn, through a store that all of them see."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from switchpoint.core.health import Health
from switchpoint.core.protocols import KeyValue
from switchpoint.upstreams.health import Board, Shut

PREFIX = "switchpoint:shut:"

ROUNDS = 3.0
"""So many rounds does a word outlive the replica that said it."""

_logger = logging.getLogger(__name__)


class _Word(msgspec.Struct, frozen=True):
    """What is kept of one target."""

    replica: str
    why: str
    left_s: float


class Sharing:
    """Says and hears, once in `every_s`, what is shut; begin it with `start` on the event loop, end it with `stop`.

    Each target has one value, of the replica that said it last; it expires by itself once nobody says it any more. A
    store that does not answer leaves each replica with what it sees itself.
    """

    def __init__(self, board: Board, store: KeyValue, every_s: float = 1.0, replica: str | None = None) -> None:
        self.replica = replica or uuid.uuid4().hex
        self._board = board
        self._store = store
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def exchange(self) -> None:
        """Say and hear once."""
        here, lasts_s = self._board.shut_here(), ROUNDS * self._every_s
        now, elsewhere = self._board.clock(), {}
        for target in self._board.targets:
            said = _read(await self._store.get(PREFIX + target))
            if target in here:
                word = _Word(self.replica, here[target].why, max(0.0, here[target].until - now))
                await self._store.set(PREFIX + target, msgspec.json.encode(word), lasts_s)
            elif said is not None and said.replica != self.replica:
                elsewhere[target] = Shut(said.why, now + min(said.left_s, lasts_s))
            elif said is not None:
                await self._store.delete(PREFIX + target)
        self._board.heard(elsewhere)

    def report(self) -> Mapping[str, Health]:
        """Return what the board says, after beginning to exchange if that has not begun: a `HealthReport`."""
        self.start()
        return self._board()

    def start(self) -> None:
        """Begin to exchange in the background; to be called where an event loop runs."""
        if self._task is None or self._task.get_loop() is not asyncio.get_running_loop():
            self._task = asyncio.create_task(self._run(), name="switchpoint-health")

    async def stop(self) -> None:
        """End what `start` began."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self.exchange()
            except Exception as error:  # health is a hint: it must never take the service down
                _logger.warning("Health is not shared: %s.", type(error).__name__)
            await asyncio.sleep(self._every_s)


def _read(value: bytes | None) -> _Word | None:
    """Return what a value says; one of another version says nothing."""
    if value is None:
        return None
    try:
        return msgspec.json.decode(value, type=_Word)
    except msgspec.MsgspecError:
        return None
