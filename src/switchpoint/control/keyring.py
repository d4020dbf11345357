"""The keyring: every key in memory, read again every few seconds; so a request asks no database who it comes from.

Holding all of them, not those asked for, makes a flood of unknown keys harmless: it can neither push known ones out nor
make the database be read more often than every `EAGER_S`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from switchpoint.control.keys import Key, digest, well_formed
from switchpoint.core.errors import StoreUnavailable, Unauthenticated
from switchpoint.core.principal import Principal

EAGER_S = 1.0
"""A well-formed unknown key makes the store be read again, since it may be new; not more often than this."""

UNKNOWN = "The API key is not known, has expired or was revoked. Send a valid one as 'Authorization: Bearer KEY'."

_logger = logging.getLogger(__name__)


class _Known(NamedTuple):
    principal: Principal
    digest: str
    expires_s: float  # since the epoch


class Keyring:
    """Finds whose key it is.

    read : returns every key of the store; blocks, so it runs in a thread. None where there is no store.
    fixed : keys that hold whatever the store says: of the configuration and of the environment.
    refresh_s : a key that was revoked is refused after this long at the latest, as long as the store answers; while it
        does not, the keys that were read last are valid.
    clock : seconds that only grow; now : seconds since the epoch.
    after : whose place this takes; what it has read is valid here until it is read again.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Key]] | None = None,
        fixed: Iterable[Key] = (),
        *,
        refresh_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        after: Keyring | None = None,
    ) -> None:
        self._read, self._refresh_s, self._clock, self._now = read, refresh_s, clock, now
        self._fixed = _by_digest(fixed)
        self._stored: Mapping[str, _Known] | None = None if after is None else after._stored  # None: never read
        self._read_at = -math.inf
        self._reading: asyncio.Task[None] | None = None

    async def principal(self, secret: str) -> Principal:
        """Return whoever has this key.

        Raises Unauthenticated, whose message does not say what is wrong with the key; StoreUnavailable where the store
        has not answered even once, so that nobody can know.
        """
        mark = digest(secret)
        # Both tables are entered by the hash of what was sent: how long that takes tells nothing of any key in them.
        known = self._fixed.get(mark) or await self._find(secret, mark)
        if known is None or not hmac.compare_digest(known.digest, mark) or known.expires_s <= self._now():
            raise Unauthenticated(UNKNOWN)
        return known.principal

    async def _find(self, secret: str, mark: str) -> _Known | None:
        """Return what the store knows of a key; one that was not made here cannot be in it."""
        if self._read is None or not well_formed(secret):
            return None
        known = None if self._stored is None else self._stored.get(mark)
        await self._refresh(EAGER_S if known is None else self._refresh_s)
        if self._stored is None:
            raise StoreUnavailable("Keys cannot be read yet. Try again.")
        return self._stored.get(mark)

    async def _refresh(self, max_age_s: float) -> None:
        """Read the store again unless that was done lately; halfway to that it is done without waiting for it."""
        age_s = self._clock() - self._read_at
        if age_s <= max_age_s / 2:
            return
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_again())
        if age_s > max_age_s:
            await asyncio.shield(self._reading)

    async def _read_again(self) -> None:
        assert self._read is not None
        began = self._clock()
        try:
            keys = await asyncio.to_thread(self._read)
            self._stored = _by_digest(keys)
        except Exception as error:
            _logger.warning("Keys cannot be read (%s); those that were read last are valid.", type(error).__name__)
        finally:
            self._read_at, self._reading = began, None


def _by_digest(keys: Iterable[Key]) -> dict[str, _Known]:
    return {
        key.digest: _Known(key.principal(), key.digest, math.inf if key.expires is None else key.expires.timestamp())
        for key in keys
        if not key.disabled
    }
