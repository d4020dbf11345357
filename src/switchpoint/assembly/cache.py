"""The cache of a configuration: around which upstreams it stands, and what it must know of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from switchpoint.config.cache import CacheSection
from switchpoint.core.copying import but
from switchpoint.core.principal import Principal
from switchpoint.core.protocols import Admission, Gate, KeyValue, Upstream
from switchpoint.core.query import Query
from switchpoint.upstreams.cached import ROUTE, Cached


def with_cache(section: CacheSection, upstreams: Mapping[str, Upstream], store: KeyValue) -> dict[str, Upstream]:
    """Return the upstreams, each behind the cache where it is enabled."""
    if not section.enabled:
        return dict(upstreams)
    settings = section.model_dump(include={"ttl_s", "routes", "models", "sampled"})
    return {name: Cached(upstream, store, **settings) for name, upstream in upstreams.items()}


def with_routes(section: CacheSection, gate: Gate) -> Gate:
    """Return the gate, which tells the cache what was asked for where it is enabled; else the gate as it is."""
    return TaggingGate(gate) if section.enabled else gate


@dataclass(frozen=True, slots=True)
class TaggingGate:
    """A gate that writes the route of every query it lets in among its tags, over what the caller wrote there."""

    gate: Gate

    async def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Return whose request this is."""
        return await self.gate.identify(headers)

    async def admit(self, principal: Principal, route: str, query: Query) -> Admission:
        """Let a query in."""
        return await self.gate.admit(principal, route, but(query, tags={**query.tags, ROUTE: route}))
