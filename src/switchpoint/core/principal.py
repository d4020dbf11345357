"""Principal: who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What a path of the gateway demands: a closed set; each path demands exactly one."""

    PUBLIC = "public"  # nothing: it tells nobody anything
    INFER = "infer"  # have queries answered
    FEEDBACK = "feedback"  # say what an answer was worth
    METRICS = "metrics"  # read the numbers
    RECORDS = "records"  # read what was asked and answered
    ADMIN = "admin"  # keys, budgets, configuration


CALLERS = frozenset({Permission.PUBLIC, Permission.INFER, Permission.FEEDBACK})
"""What a key may do unless it was made for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever a request is made for.

    id : of the key, never the key itself; "anonymous" where no key is demanded.
    tenant : whose state (sessions, cache, feedback) the request sees; nobody else's.
    team : None, or who shares a budget.
    permissions : what it may do; everything else is refused.
    routes, models : names it may ask for and models that may answer; None is all.
    """

    id: str
    tenant: str
    team: str | None = None
    permissions: frozenset[Permission] = CALLERS
    routes: frozenset[str] | None = None
    models: frozenset[str] | None = None


ANONYMOUS = Principal(id="anonymous", tenant="default", permissions=frozenset(Permission) - {Permission.ADMIN})
"""Everybody, where the configuration demands no keys."""
