"""Resilience of a configuration: pools of keys, hedging, the board of health, the allowance for retries."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from switchpoint.config.resilience import BalancedUpstream, HealthSection, PooledUpstream
from switchpoint.config.schema import Config
from switchpoint.config.serving import GatewaySection
from switchpoint.control.door import Door
from switchpoint.core.allowance import Allowance
from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import HealthReport, KeyValue, Upstream
from switchpoint.records.telemetry import Metrics
from switchpoint.stores.memory import Memory
from switchpoint.upstreams.balanced import Balanced
from switchpoint.upstreams.breaker import Trip
from switchpoint.upstreams.health import Board
from switchpoint.upstreams.hedged import Hedged
from switchpoint.upstreams.observed import Observed
from switchpoint.upstreams.pool import Pool
from switchpoint.upstreams.punctual import Punctual
from switchpoint.upstreams.sharing import Sharing


def pooled(name: str, section: PooledUpstream, make: Callable[[str | None], Upstream]) -> Upstream:
    """Return an upstream of the configuration under all of its keys, hedged where it says so.

    make : makes the upstream under one key; None is without any.
    """
    variable: str | None = getattr(section, "api_key_env", None)
    variables = section.api_keys_env or ([] if variable is None else [variable])
    each = [make(os.environ[variable]) for variable in variables] or [make(None)]
    made = each[0] if len(each) == 1 else Pool(name, each)
    if section.first_content_timeout_s is not None:
        made = Punctual(name, made, section.first_content_timeout_s)
    if section.hedge_after_s is None:
        return made
    after_s = None if section.hedge_after_s == "p95" else section.hedge_after_s
    return Hedged(made, after_s, Allowance(section.hedge_share))


def balanced(config: Config, made: Mapping[str, Upstream]) -> dict[str, Upstream]:
    """Return the balanced upstreams of a configuration, over those that are made; raises ConfigError for a circle."""
    found: dict[str, Upstream] = {}
    for name, section in config.upstreams.items():
        if isinstance(section, BalancedUpstream):
            nested = [each for each in section.upstreams if each not in made]
            if nested:
                raise ConfigError(
                    f"upstreams.{name}.upstreams: {nested[0]} is balanced itself. Name upstreams that call somebody."
                )
            found[name] = Balanced(name, {each: made[each] for each in section.upstreams}, _trip(config.health))
    return found


class Resilience:
    """What stands between an engine and an outage: health, the allowance for retries, the door.

    after : whose place this takes: what was seen of upstreams and models that stay is kept, and so is who is inside.
    board : None where health is not kept, or no upstream is called over HTTP. door : None where it lets everybody in.
    """

    def __init__(self, config: Config, after: Resilience | None = None) -> None:
        self.retries = Allowance(config.engine.retry_share, config.engine.retry_burst)
        self.board: Board | None = _board(config, None if after is None else after.board)
        self.door: Door | None = _door(config.gateway, None if after is None else after.door)
        self._over_http = _over_http(config)
        self._share_every_s = config.health.share_every_s
        self._sharing: Sharing | None = None

    def observed(self, upstreams: Mapping[str, Upstream]) -> dict[str, Upstream]:
        """Return the upstreams, each that is called over HTTP under the eyes of the board."""
        board = self.board
        if board is None:
            return dict(upstreams)
        return {n: Observed(each, board) if n in self._over_http else each for n, each in upstreams.items()}

    def report(self, store: KeyValue) -> HealthReport | None:
        """Return what the engine asks; where replicas share the store, they begin to talk with its first question."""
        if self.board is None or self._share_every_s == 0 or isinstance(store, Memory):
            return self.board
        self._sharing = Sharing(self.board, store, self._share_every_s)
        return self._sharing.report

    def watched_by(self, metrics: Metrics) -> None:
        """Show the health of models and who is at the door."""
        if self.board is not None:
            metrics.watch_health(self.board)
        metrics.watch_door(self.door)

    async def close(self) -> None:
        """End the talk with other replicas."""
        if self._sharing is not None:
            await self._sharing.stop()


def _over_http(config: Config) -> set[str]:
    return {
        name for name, section in config.upstreams.items() if isinstance(section, PooledUpstream | BalancedUpstream)
    }


def _board(config: Config, after: Board | None) -> Board | None:
    over_http, section = _over_http(config), config.health
    upstream_of = {id: each.upstream for id, each in config.models.items() if each.upstream in over_http}
    if not section.enabled or not upstream_of:
        return None
    return Board(upstream_of, _trip(section), after=after)


def _trip(section: HealthSection) -> Trip:
    return Trip(**section.model_dump(exclude={"enabled", "share_every_s"}))


def _door(section: GatewaySection, after: Door | None) -> Door | None:
    if section.max_concurrent is None:
        return None
    numbers = section.max_concurrent, section.max_queue, section.queue_timeout_s
    if after is not None and (after.max_concurrent, after.max_queue, after.queue_timeout_s) == numbers:
        return after
    return Door(*numbers)
