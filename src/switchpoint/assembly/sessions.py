"""The conversations of a configuration: where they are remembered, and what is put around each strategy for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from switchpoint.cascades.sticky import Stickiness, Sticky
from switchpoint.config.schema import Config
from switchpoint.config.sessions import HousekeepingSection, SessionsSection
from switchpoint.control.conversations.housekeeping import HOUSEKEEPING, Patterns
from switchpoint.control.conversations.sessions import Sessions
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ConfigError, nearest
from switchpoint.core.protocols import KeyValue, Preparation, Strategy
from switchpoint.routers.rules import Rule, Rules

MIN_SECRET_BYTES = 16


def sessions_of(section: SessionsSection, store: KeyValue, after: Sessions | None = None) -> Sessions | None:
    """Return what remembers conversations, None where they are not kept; raises ConfigError for a missing secret.

    after : whose place it takes; a secret that was drawn goes on.
    """
    if not section.enabled:
        return None
    secret = _secret(section.secret_env) if section.secret_env else None if after is None else after.secret
    return Sessions(store, secret=secret, keep_s=section.keep_s, patterns=_patterns(section.housekeeping))


def conversing(
    config: Config, catalog: Catalog, strategy_of: Callable[[str], Strategy]
) -> Callable[[Strategy], Strategy]:
    """Return what is put around a strategy: housekeeping goes its own way, and conversations keep their model.

    strategy_of : the strategy of a route or a model, by its name. Raises ConfigError for housekeeping that nobody does.
    """
    section = config.sessions
    if not section.enabled:
        return lambda strategy: strategy
    use = section.housekeeping.use if section.housekeeping.enabled else None
    known = {*config.models, *config.routers, *config.cascades}
    if use is not None and use not in known:
        raise ConfigError(
            f"sessions.housekeeping.use: unknown name {use!r}.{nearest(use, known)} Known: {', '.join(sorted(known))}."
        )

    def around(strategy: Strategy) -> Strategy:
        if use is not None and use != strategy.name:
            own = Rule(name=HOUSEKEEPING, tags={"task": frozenset({HOUSEKEEPING})})
            strategy = Rules(strategy.name, [(own, strategy_of(use))], strategy)
        return Sticky(strategy, catalog, _stickiness(config, strategy.name))

    return around


def remembered(
    by_strategy: Mapping[str, Sequence[Preparation]], sessions: Sessions | None, names: Iterable[str]
) -> Mapping[str, Sequence[Preparation]]:
    """Return what is fetched before each strategy decides, the conversation first."""
    if sessions is None:
        return by_strategy
    return {name: (sessions.prepare, *by_strategy.get(name, ())) for name in {*names, *by_strategy}}


def _stickiness(config: Config, strategy: str) -> Stickiness:
    """A route that says what quality is worth to it says so of switches too."""
    section = config.sessions
    own = getattr(config.routers.get(strategy), "willingness_usd", None)
    return Stickiness(
        margin=section.margin,
        willingness_usd=section.willingness_usd if own is None else own,
        idle_reset_s=section.idle_reset_s,
        rescue_after=section.rescue_after,
        locks=frozenset(section.locks),
        fallback_in_tool_loop=section.fallback_in_tool_loop,
    )


def _patterns(section: HousekeepingSection) -> Patterns | None:
    if not section.enabled:
        return None
    usual = Patterns()
    return Patterns(
        system_contains=usual.system_contains if section.system_contains is None else tuple(section.system_contains),
        user_contains=usual.user_contains if section.user_contains is None else tuple(section.user_contains),
        max_tokens=section.max_tokens,
    )


def _secret(variable: str) -> bytes:
    secret = os.environ.get(variable, "").encode()
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigError(
            f"sessions.secret_env: the environment variable {variable} must hold a secret of {MIN_SECRET_BYTES} bytes "
            "or more. Export one, the same for all replicas."
        )
    return secret
