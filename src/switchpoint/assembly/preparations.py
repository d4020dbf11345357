"""What is fetched from the network before which strategy of a configuration decides."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from switchpoint.config.routers import LayeredRouter, RatedRouter, Router, RulesRouter, SemanticRouter, UtilityRouter
from switchpoint.config.schema import Config
from switchpoint.config.upstreams import EmbeddingsSection
from switchpoint.core.catalog import Catalog
from switchpoint.core.protocols import Preparation, Upstream
from switchpoint.upstreams.embeddings import Embeddings
from switchpoint.upstreams.rating import Rater


class Preparations:
    """Makes the raters and the embeddings of a configuration; nothing is called yet.

    by_strategy : what is fetched before each strategy decides, by its name; one that needs nothing is left out.
    """

    def __init__(self, config: Config, catalog: Catalog, upstreams: Mapping[str, Upstream]) -> None:
        self._embeddings = {name: embeddings_of(name, section) for name, section in config.embeddings.items()}
        own: dict[str, Preparation] = {}
        for name, section in config.routers.items():
            if (made := self._own(section, catalog, upstreams)) is not None:
                own[name] = made
        fetched = {name: [own[used] for used in _used_by(name, config) if used in own] for name in config.routers}
        self.by_strategy = {name: tuple(dict.fromkeys(each)) for name, each in fetched.items() if each}

    async def close(self) -> None:
        """Release their own connections; a rater's are those of its model's upstream."""
        for embeddings in self._embeddings.values():
            await embeddings.close()

    def _own(self, section: Router, catalog: Catalog, upstreams: Mapping[str, Upstream]) -> Preparation | None:
        if isinstance(section, RatedRouter):
            model = catalog[section.rater]
            upstream = upstreams[model.upstream]
            return Rater(model, upstream, section.way, time_box_s=section.time_box_s, cache_size=section.cache_size)
        if isinstance(section, UtilityRouter) and section.embeddings is not None:
            return self._embeddings[section.embeddings]
        return None


def embeddings_of(name: str, section: EmbeddingsSection) -> Embeddings:
    """Return the client of an embeddings endpoint."""
    key = os.environ[section.api_key_env] if section.api_key_env else None
    settings = section.model_dump(exclude={"api_key_env", "model"})
    return Embeddings(name, model=section.model or name, api_key=key, **settings)


def _used_by(name: str, config: Config) -> Iterator[str]:
    """Yield the routers that a router may hand a query on to, itself first; rules that go in a circle were refused."""
    section = config.routers.get(name)
    if section is None:
        return
    yield name
    for target in dict.fromkeys(_targets(section)):
        yield from _used_by(target, config)


def _targets(section: Router) -> Iterator[str]:
    """Yield whom a router names to decide in its place."""
    if isinstance(section, RulesRouter | SemanticRouter | LayeredRouter):
        routes = section.rules if isinstance(section, RulesRouter) else section.routes.values()
        yield from (route.use for route in routes if route.use is not None)
        yield section.otherwise
