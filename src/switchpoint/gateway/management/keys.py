"""Keys and budgets over HTTP: what `switchpoint keys` and `switchpoint budget` do, for operators elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from switchpoint.control.keys import Key, digest, new_id, new_secret
from switchpoint.control.keystore import KeyStore
from switchpoint.control.spending.budgets import Budget, BudgetStore, Per, Scope
from switchpoint.core.principal import CALLERS, Permission
from switchpoint.dialects.encoding import encode
from switchpoint.gateway.app import Path, endpoint
from switchpoint.gateway.caller import read_body
from switchpoint.gateway.guard import whose
from switchpoint.gateway.options import convert
from switchpoint.gateway.wire import read_object

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class KeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /admin/keys; see `switchpoint.control.keys.Key`. days : until it expires; None is never."""

    name: Name
    tenant: Name = "default"
    team: Name | None = None
    permissions: frozenset[Permission] = CALLERS
    routes: frozenset[str] | None = None
    models: frozenset[str] | None = None
    days: Annotated[float, msgspec.Meta(gt=0, le=36_500)] | None = None


class BudgetBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of PUT /admin/budgets: whose budget it is, and how much may be spent in a period."""

    scope: Scope
    name: Name
    usd: Annotated[float, msgspec.Meta(ge=0)]
    per: Per = Per.MONTH


class KeyManagement:
    """The endpoints. keys, budgets : open the stores; they may block."""

    def __init__(self, keys: Callable[[], KeyStore], budgets: Callable[[], BudgetStore]) -> None:
        self._keys = keys
        self._budgets = budgets

    async def list_keys(self, request: Request) -> Response:
        """List every key, revoked ones included; nobody can list the secrets."""
        found = await run_in_threadpool(lambda: self._keys().all())
        return _json({"object": "list", "data": [_key(key) for key in found]})

    async def create_key(self, request: Request) -> Response:
        """Make a key; its secret is in this answer alone."""
        asked = convert(await _body(request), KeyBody, "key")
        secret, now = new_secret(), datetime.now(UTC)
        key = Key(
            id=new_id(),
            digest=digest(secret),
            name=asked.name,
            created=now,
            tenant=asked.tenant,
            team=asked.team,
            permissions=asked.permissions,
            routes=asked.routes,
            models=asked.models,
            expires=None if asked.days is None else now + timedelta(days=asked.days),
        )
        await run_in_threadpool(lambda: self._keys().add(key))
        return _json({**_key(key), "key": secret}, 201)

    async def revoke_key(self, request: Request) -> Response:
        """Disable a key for ever."""
        id = request.path_params["id"]
        await run_in_threadpool(lambda: self._keys().revoke(id))
        return _json({"object": "switchpoint.key", "id": id, "disabled": True})

    async def list_budgets(self, request: Request) -> Response:
        """List the budgets that were set by hand, and what every account has spent in the present periods."""
        budgets = await run_in_threadpool(lambda: self._budgets().all())
        spent = await run_in_threadpool(lambda: self._budgets().spending(time.time()))
        return _json(
            {
                "object": "list",
                "data": [_budget(budget) for budget in budgets],
                "spent": [each._asdict() for each in spent],
            }
        )

    async def set_budget(self, request: Request) -> Response:
        """Set a budget, in the place of one of the same scope, name and period."""
        asked = convert(await _body(request), BudgetBody, "budget")
        budget = Budget(asked.scope, asked.name, asked.per, asked.usd)
        await run_in_threadpool(lambda: self._budgets().set(budget))
        return _json(_budget(budget))

    def paths(self) -> list[Path]:
        """Return every path that these endpoints serve."""
        admin = Permission.ADMIN
        return [
            Path("/admin/keys", "GET", admin, endpoint(self.list_keys)),
            Path("/admin/keys", "POST", admin, endpoint(self.create_key)),
            Path("/admin/keys/{id}", "DELETE", admin, endpoint(self.revoke_key)),
            Path("/admin/budgets", "GET", admin, endpoint(self.list_budgets)),
            Path("/admin/budgets", "PUT", admin, endpoint(self.set_budget)),
        ]


def _key(key: Key) -> dict[str, Any]:
    """Return what may be told of a key: all but its hash."""
    told = {name: getattr(key, name) for name in Key.__slots__ if name != "digest"}
    sets = {name: None if told[name] is None else sorted(told[name]) for name in ("permissions", "routes", "models")}
    return {"object": "switchpoint.key", **told, **sets}


def _budget(budget: Budget) -> dict[str, Any]:
    return {"object": "switchpoint.budget", **budget._asdict()}


async def _body(request: Request) -> dict[str, Any]:
    service, _ = whose(request.scope)
    return read_object(await read_body(request.receive, service.max_body_bytes))


def _json(body: Any, status: int = 200) -> Response:
    return Response(encode(body), status, media_type="application/json", headers={"cache-control": "no-store"})
