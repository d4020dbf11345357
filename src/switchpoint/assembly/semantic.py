"""Semantic routes with an embedder: as a callable for programs, and as a router of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

from switchpoint.config.routers import SemanticRouter, Topics
from switchpoint.core.protocols import Embedder, Strategy
from switchpoint.estimators.embedders import embedder_of
from switchpoint.routers.semantic import Matcher, Semantic
from switchpoint.routers.utterances import RouteSet, load, parse

DEFAULT_EMBEDDER = "static"
TOPICS = set(Topics.model_fields) - {"file", "embedder"}
"""The keys of a section that make its set of routes."""


class SemanticRoutes(Matcher):
    """Semantic routes, ready to be called with a text.

    embedder : one of your own, or a name that `switchpoint.estimators.embedders` knows. Sparse routes load none.

    Raises ConfigError with every fault of the routes, for an unknown embedder, and for thresholds fitted with another.
    """

    def __init__(self, routes: RouteSet, embedder: Embedder | str = DEFAULT_EMBEDDER) -> None:
        super().__init__(routes, embedder_for(routes, embedder))

    @classmethod
    def load(cls, path: str | PathLike[str], embedder: Embedder | str = DEFAULT_EMBEDDER) -> Self:
        """Read a TOML or JSON file of routes."""
        return cls(load(Path(path)), embedder)

    @classmethod
    def of(cls, routes: Mapping[str, Any], embedder: Embedder | str = DEFAULT_EMBEDDER) -> Self:
        """Take routes given as a mapping, with the same keys as the file."""
        return cls(parse(routes), embedder)


def embedder_for(routes: RouteSet, embedder: Embedder | str) -> Embedder | None:
    """Return the embedder that the routes are compared with; None where they are compared without one."""
    if routes.alpha == 0:
        return None
    return embedder_of(embedder) if isinstance(embedder, str) else embedder


def semantic(name: str, section: SemanticRouter, strategy: Callable[[str], Strategy]) -> Semantic:
    """Make the router of a section; `strategy` finds a model, router or cascade by name."""
    return topics(name, section, strategy, strategy(section.otherwise))


def topics(name: str, section: Topics, strategy: Callable[[str], Strategy], otherwise: Strategy) -> Semantic:
    """Make the semantic router of a section's topics, and of who answers where none matches."""
    raw = section.model_dump(include=TOPICS, exclude_none=True)
    routes = parse(raw, f"routers.{name}")
    answering = {route.name: strategy(route.use) for route in routes.routes if route.use is not None}
    return Semantic(name, SemanticRoutes(routes, section.embedder), answering, otherwise)
