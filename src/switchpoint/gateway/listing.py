"""The list of what a caller may name as `model`: routes first, then models; OpenAI's object with a few more fields."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from switchpoint.core.model import Model
from switchpoint.engine.engine import Engine
from switchpoint.gateway.service import Routing

Json = dict[str, Any]


class Listing:
    """Lists routes and models.

    created : seconds since the epoch that every entry carries; the catalog does not know when models were made.
    """

    def __init__(self, engine: Engine, routing: Routing, created: int) -> None:
        self.catalog = engine.catalog
        self.routing = routing
        self.created = created

    def all(self) -> Json:
        """Return the whole list; a route that has the name of a model takes its place."""
        routes = self.routing.routes
        names = (*routes, *(model for model in self.catalog.ids if model not in routes))
        return {"object": "list", "data": [self._entry(name) for name in names]}

    def one(self, name: str) -> Json:
        """Return one entry, `router-NAME-THRESHOLD` included; raises UnknownModel."""
        self.routing.resolve(name)
        return self._entry(name)

    def _entry(self, name: str) -> Json:
        model = None if name in self.routing.routes or name not in self.catalog else self.catalog[name]
        return {
            "id": name,
            "object": "model",
            "created": self.created,
            "owned_by": "switchpoint",
            "kind": "route" if model is None else "model",
            **(_facts(model) if model else dict.fromkeys(FACTS)),
        }


FACTS = (
    "input_usd_per_mtok",
    "cached_input_usd_per_mtok",
    "output_usd_per_mtok",
    "context_tokens",
    "capabilities",
)
"""Fields beside OpenAI's; null is unknown, and for a route all are."""


def _facts(model: Model) -> dict[str, Decimal | int | list[str] | None]:
    values = (
        model.input_usd_per_mtok,
        model.cached_input_usd_per_mtok,
        model.output_usd_per_mtok,
        model.context_tokens,
        None if model.can is None else sorted(model.can),
    )
    return dict(zip(FACTS, values, strict=True))
