"""Budgets: how much may be spent by whom in which period; and where those that are set by hand are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeVar

from switchpoint.control.database import Database
from switchpoint.core.principal import Principal

Kind = TypeVar("Kind")
Rule = TypeVar("Rule")

EACH = "*"
"""As a name: a budget or a limit for each key, team, tenant or route by itself."""


class Scope(StrEnum):
    """Of whom a budget or a limit is."""

    __hash__ = str.__hash__  # an enum's own is ten times slower, and every request looks things up by it

    KEY = "key"
    TEAM = "team"
    TENANT = "tenant"
    ROUTE = "route"


class Per(StrEnum):
    """A period of a budget, in UTC; total never ends."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


class Budget(NamedTuple):
    """At most `usd` in every period, for one name of a scope or for `EACH`."""

    scope: Scope
    name: str
    per: Per
    usd: float


class Account(NamedTuple):
    """A budget of one name: where spending is booked."""

    id: str
    per: Per
    usd: float


class Period(NamedTuple):
    """An hour, a day, a month, or all time."""

    label: str
    ends_s: float  # since the epoch


Subjects = tuple[tuple[Scope, str], ...]
"""Everybody whom a request concerns."""


def subjects(principal: Principal, route: str) -> Subjects:
    """Return everybody whom a request of a principal for a route concerns."""
    team = () if principal.team is None else ((Scope.TEAM, principal.team),)
    return ((Scope.KEY, principal.id), *team, (Scope.TENANT, principal.tenant), (Scope.ROUTE, route))


def accounts_of(budgets: Iterable[Budget], subjects: Subjects) -> tuple[Account, ...]:
    """Return the accounts that a request of these subjects is booked in; a budget of a name wins over one for each."""
    by_place = {(budget.scope, budget.name, budget.per): budget for budget in budgets}
    found = applying(by_place, subjects, Per)
    return tuple(
        sorted(Account(f"{scope}:{name}:{budget.per}", budget.per, budget.usd) for scope, name, budget in found)
    )


def applying(
    rules: Mapping[tuple[Scope, str, Kind], Rule], subjects: Subjects, kinds: Iterable[Kind]
) -> Iterator[tuple[Scope, str, Rule]]:
    """Yield the rules of each kind that these subjects fall under; one of a name wins over one for each."""
    for scope, name in subjects:
        for kind in kinds:
            rule = rules.get((scope, name, kind)) or rules.get((scope, EACH, kind))
            if rule is not None:
                yield scope, name, rule


def period(per: Per, now_s: float) -> Period:
    """Return the period that a time, in seconds since the epoch, is in."""
    if per is Per.TOTAL:
        return Period("total", math.inf)
    now = datetime.fromtimestamp(now_s, UTC)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if per is Per.HOUR:
        hour = day.replace(hour=now.hour)
        return Period(hour.strftime("%Y-%m-%dT%H"), (hour + timedelta(hours=1)).timestamp())
    if per is Per.DAY:
        return Period(day.strftime("%Y-%m-%d"), (day + timedelta(days=1)).timestamp())
    return Period(day.strftime("%Y-%m"), (day.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp())


class Spending(NamedTuple):
    """What was spent in one period of one account."""

    account: str
    period: str
    spent_usd: float


class BudgetStore:
    """Keeps budgets that are set by hand, and what was spent; it blocks, and may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Budget]:
        """Return every budget that was set by hand."""
        with self._database.transaction() as execute:
            rows = execute("SELECT scope, name, per, usd FROM budgets ORDER BY scope, name, per")
        return [Budget(Scope(scope), name, Per(per), usd) for scope, name, per, usd in rows]

    def set(self, budget: Budget) -> None:
        """Keep a budget in the place of one of the same scope, name and period."""
        with self._database.transaction() as execute:
            execute(
                "INSERT INTO budgets (scope, name, per, usd) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (scope, name, per) DO UPDATE SET usd = excluded.usd",
                (str(budget.scope), budget.name, str(budget.per), budget.usd),
            )

    def spending(self, now_s: float, *, reserved: bool = False) -> list[Spending]:
        """Return what was spent in the periods that a time is in; or beside it what replicas have set aside."""
        amount = "spent_usd + reserved_usd" if reserved else "spent_usd"
        labels = [period(per, now_s).label for per in Per]
        with self._database.transaction() as execute:
            rows = execute(
                f"SELECT account, period, {amount} FROM spending WHERE period IN (?, ?, ?, ?) ORDER BY account", labels
            )
        return [Spending(*row) for row in rows]

    def book(self, spent: Sequence[Spending]) -> None:
        """Add amounts to what was spent."""
        with self._database.transaction() as execute:
            for line in spent:
                execute(
                    "INSERT INTO spending (account, period, spent_usd) VALUES (?, ?, ?) ON CONFLICT (account, period) "
                    "DO UPDATE SET spent_usd = spending.spent_usd + excluded.spent_usd",
                    line,
                )
