"""Scopes: what of the routes and models a key may use, and whose name goes on what it asks."""

from __future__ import annotations

from collections.abc import Collection

from switchpoint.core.errors import Forbidden, NoEligibleModel
from switchpoint.core.principal import Principal
from switchpoint.core.query import Query

ROUTELLM = "router-"


def base_route(name: str, known: Collection[str]) -> str:
    """Return the route that a name asks for: `ROUTE:WAY=VALUE` and `router-ROUTE-THRESHOLD` are ROUTE at a setting.

    known : names that are routes or models themselves, whatever they look like.
    """
    if name in known:
        return name
    route, colon, setting = name.rpartition(":")
    if colon and "=" in setting:
        return route
    if name.startswith(ROUTELLM):
        return name[len(ROUTELLM) :].rpartition("-")[0] or name
    return name


def may_ask(principal: Principal, name: str, known: Collection[str]) -> bool:
    """Say whether a principal may put this name in `model`."""
    if principal.routes is None:
        return True
    return base_route(name, known) in principal.routes


def check_route(principal: Principal, name: str, known: Collection[str]) -> None:
    """Raise Forbidden unless the principal may ask for this route or model."""
    if not may_ask(principal, name, known):
        raise Forbidden(f"This key may not use {name!r}. GET /v1/models lists what it may use.")


def within(principal: Principal, query: Query) -> tuple[frozenset[str] | None, dict[str, str]]:
    """Return `allow` and `tags` of a query as the principal may ask it: his models, his names in place of those sent.

    Raises NoEligibleModel when the caller allows only models that he may not use.
    """
    allow = query.allow
    if principal.models is not None:
        allow = principal.models if allow is None else allow & principal.models
        if not allow:
            raise NoEligibleModel(dict.fromkeys(sorted(query.allow or ()), "this key may not use it"))
    tags = {**query.tags, "tenant": principal.tenant, "key": principal.id}
    tags.pop("team", None)
    if principal.team is not None:
        tags["team"] = principal.team
    return allow, tags
