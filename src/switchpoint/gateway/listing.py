"""The list of what a caller may name as `model`: routes first, then models; OpenAI's object with a few more fields."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from switchpoint.control.scopes import may_ask
from switchpoint.core.errors import Forbidden
from switchpoint.core.model import Model
from switchpoint.core.principal import ANONYMOUS, Principal
from switchpoint.engine.engine import Engine
from switchpoint.gateway.service import Routing

Json = dict[str, Any]


class Listing:
    """Lists the routes and models that a principal may use.

    created : seconds since the epoch that every entry carries; the catalog does not know when models were made.
    """

    def __init__(self, engine: Engine, routing: Routing, created: int, principal: Principal = ANONYMOUS) -> None:
        self.catalog = engine.catalog
        self.routing = routing
        self.created = created
        self.principal = principal

    def all(self) -> Json:
        """Return the whole list; a route that has the name of a model takes its place."""
        return {"object": "list", "data": [self._entry(name) for name in self._names() if self._usable(name)]}

    def one(self, name: str) -> Json:
        """Return one entry, `router-NAME-THRESHOLD` included; raises UnknownModel, Forbidden."""
        self.routing.resolve(name)
        if not self._usable(name):
            raise Forbidden(f"This key may not use {name!r}. GET /v1/models lists what it may use.")
        return self._entry(name)

    def _names(self) -> tuple[str, ...]:
        routes = self.routing.routes
        return (*routes, *(model for model in self.catalog.ids if model not in routes))

    def _usable(self, name: str) -> bool:
        """Say whether the principal may ask for a name; of a model, whether it may answer him as well."""
        models = self.principal.models
        if models is not None and name in self.catalog and name not in self.routing.routes and name not in models:
            return False
        return may_ask(self.principal, name, self._names())

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
    "shutdown_date",
)
"""Fields beside OpenAI's; null is unknown, and for a route all are."""


def _facts(model: Model) -> dict[str, Decimal | int | str | list[str] | None]:
    values = (
        model.input_usd_per_mtok,
        model.cached_input_usd_per_mtok,
        model.output_usd_per_mtok,
        model.context_tokens,
        None if model.can is None else sorted(model.can),
        None if model.retires is None else model.retires.isoformat(),
    )
    return dict(zip(FACTS, values, strict=True))
