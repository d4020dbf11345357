"""`switchpoint keys` and `switchpoint budget`: who may use the gateway, and how much they may spend."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from switchpoint.cli.output import print_json, print_table, remark
from switchpoint.cli.setup import ConfigOption, sections
from switchpoint.core.errors import RequestError, nearest

if TYPE_CHECKING:
    from switchpoint.control.database import Database
    from switchpoint.control.spending.budgets import Budget, BudgetStore

Kind = TypeVar("Kind", bound=StrEnum)

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
budget = typer.Typer(no_args_is_help=True, help="Show and set budgets.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KEYS = ("id", "name", "tenant", "team", "permissions", "routes", "models", "created", "expires", "state")
BUDGETS = ("of", "name", "per", "USD", "spent", "left")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    tenant: Annotated[str, typer.Option(help="Whose sessions, cache and feedback it sees.")] = "default",
    team: Annotated[str | None, typer.Option(help="Whose budget it shares.")] = None,
    permission: Annotated[
        list[str] | None, typer.Option(help="infer, feedback, metrics, records or admin; may be given again.")
    ] = None,
    route: Annotated[list[str] | None, typer.Option(help="The only route it may ask for; may be given again.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="The only model that may answer; again for more.")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Until it expires; never, if not given.")] = None,
    hash: Annotated[
        bool, typer.Option("--hash", help="Keep it nowhere: print its hash for the configuration.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key and print it: it is shown this once, and only its hash is kept."""
    from switchpoint.control.keys import Key, digest, new_id, new_secret
    from switchpoint.control.keystore import KeyStore
    from switchpoint.core.principal import CALLERS, Permission

    secret, now = new_secret(), datetime.now(UTC)
    key = Key(
        id=new_id(),
        digest=digest(secret),
        name=name,
        created=now,
        tenant=tenant,
        team=team,
        permissions=frozenset(_one_of(Permission, each, "permission") for each in permission)
        if permission
        else CALLERS,
        routes=frozenset(route) if route else None,
        models=frozenset(model) if model else None,
        expires=None if days is None else now + timedelta(days=days),
    )
    if not hash:
        KeyStore(_database(config)).add(key)
    if json:
        print_json({"id": key.id, "key": secret, "sha256": key.digest})
        return
    remark(f"Key {key.id}, shown this once:")
    print(secret)
    if hash:
        remark(f'[access.keys.{name}]\nsha256 = "{key.digest}"')


@app.command("list")
def show_keys(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the keys of the database; nobody can list the keys themselves."""
    from switchpoint.control.keystore import KeyStore

    now, rows = datetime.now(UTC), []
    for key in KeyStore(_database(config)).all():
        expired = key.expires is not None and key.expires <= now
        sets = (sorted(key.permissions), _sorted(key.routes), _sorted(key.models))
        state = "revoked" if key.disabled else "expired" if expired else "valid"
        rows.append((key.id, key.name, key.tenant, key.team, *sets, key.created, key.expires, state))
    if json:
        print_json([dict(zip(KEYS, row, strict=True)) for row in rows])
        return
    print_table("Keys", KEYS, [[_cell(value) for value in row] for row in rows])


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="As `switchpoint keys list` shows it.")], config: ConfigOption = None
) -> None:
    """Revoke a key for ever; gateways refuse it within access.refresh_s seconds."""
    from switchpoint.control.keystore import KeyStore

    KeyStore(_database(config)).revoke(id)
    remark(f"{id} is revoked.")


@budget.command("set")
def set_budget(
    whose: Annotated[
        str, typer.Argument(help="SCOPE:NAME, such as team:search, key:ID, tenant:acme, route:auto, key:*.")
    ],
    usd: Annotated[float, typer.Argument(min=0, help="At most so many dollars.")],
    per: Annotated[str, typer.Option(help="hour, day, month or total.")] = "month",
    config: ConfigOption = None,
) -> None:
    """Set a budget; a running gateway keeps it within a second."""
    from switchpoint.control.spending.budgets import Budget, BudgetStore, Per, Scope

    scope, _, name = whose.partition(":")
    if not name:
        raise RequestError(f"A budget is of SCOPE:NAME, such as team:search. Got {whose!r}.")
    named = Budget(_one_of(Scope, scope, "scope"), name, _one_of(Per, per, "period"), usd)
    BudgetStore(_database(config)).set(named)
    remark(f"{whose} may spend {usd:g} USD per {per}." if per != "total" else f"{whose} may spend {usd:g} USD in all.")


@budget.command("show")
def show_budgets(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show every budget, and what was spent of it in the present period."""
    from switchpoint.assembly.access import budgets_of
    from switchpoint.control.spending.budgets import BudgetStore

    settings = sections(config, "access")
    store = BudgetStore(_database(config))
    rows = _budget_rows(store, [*budgets_of(settings.access), *store.all()])
    if json:
        print_json([dict(zip(BUDGETS, row, strict=True)) for row in rows])
        return
    print_table("Budgets", BUDGETS, rows, caption="Spent in the present hour, day or month, UTC; in USD.")


def _budget_rows(store: BudgetStore, budgets: list[Budget]) -> list[tuple[object, ...]]:
    """Return a row for each account that has spent, and for each budget of a name."""
    from switchpoint.control.spending.budgets import EACH

    limits = {(b.scope, b.name, b.per): b.usd for b in budgets}
    spent = {tuple(line.account.rsplit(":", 1)): line.spent_usd for line in store.spending(time.time())}
    rows: list[tuple[object, ...]] = []
    for (scope, name, per), usd in limits.items():
        if name != EACH:
            used = spent.get((f"{scope}:{name}", per), 0.0)
            rows.append((scope, name, per, usd, used, usd - used))
            continue
        rows.append((scope, name, per, usd, None, None))
        for (whose, of_per), used in spent.items():
            own = whose.partition(":")
            if own[0] == scope and of_per == per and (scope, own[2], per) not in limits:
                rows.append((scope, own[2], per, usd, used, usd - used))
    return rows


def _database(config: Path | None) -> Database:
    from switchpoint.assembly.access import Access
    from switchpoint.assembly.stores import Stores

    settings = sections(config, "access", "stores")
    return Access(Stores(settings.stores)).database(settings.access)


def _one_of(kind: type[Kind], text: str, what: str) -> Kind:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(kind)
        raise RequestError(f"Unknown {what} {text!r}.{nearest(text, kind)} Known: {known}.") from None


def _cell(value: object) -> object:
    if isinstance(value, list):
        return " ".join(value)
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else value


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
