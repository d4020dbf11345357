"""The embeddings endpoints of a configuration, for callers' own requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from switchpoint.assembly.preparations import embeddings_of
from switchpoint.config.schema import Config
from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Step
from switchpoint.core.errors import RequestError
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.routers.routes import Routes
from switchpoint.upstreams.embeddings import Embeddings

TIME_BOX_S = 60.0
"""How long a caller's request may take: it may hold thousands of texts, while a router waits for one vector."""


def passing_on(config: Config) -> dict[str, Embeddings]:
    """Return the endpoints by name, with the connection settings that the router's own vectors have."""
    return {
        name: embeddings_of(name, section.model_copy(update={"time_box_s": max(section.time_box_s, TIME_BOX_S)}))
        for name, section in config.embeddings.items()
    }


async def close_all(embeddings: Mapping[str, Embeddings]) -> None:
    """Release their connections."""
    for each in embeddings.values():
        await each.close()


class RoutesAndEndpoints(Routes):
    """The routes as a gate knows them: the embeddings endpoints are names that a caller may ask for too."""

    def __init__(self, routes: Routes, endpoints: Collection[str]) -> None:
        self._own = routes
        self._endpoints = {name: Endpoint(name) for name in endpoints}

    def names(self) -> tuple[str, ...]:
        """Every name that may be asked for."""
        return (*self._own.names(), *self._endpoints)

    def resolve(self, name: str) -> Strategy:
        """Return the strategy for a name, a route before an endpoint; raises as `Routes.resolve` does."""
        if name in self._endpoints and name not in self._own.names():
            return self._endpoints[name]
        return self._own.resolve(name)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Stands for an embeddings endpoint where a strategy is asked what it may cost: what any call here may."""

    name: str

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Refuse: an embeddings endpoint answers no conversation."""
        raise RequestError(f"{self.name!r} is an embeddings endpoint. Ask it at POST /v1/embeddings.", "model")
