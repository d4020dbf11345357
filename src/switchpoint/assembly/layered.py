"""A layered router of a configuration: its layers, and the one willingness that all of them decide by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from switchpoint.assembly.semantic import topics
from switchpoint.cascades.clear import Clear
from switchpoint.cascades.layered import Layer, Layered, Passed, Settle, Willing, Willingness, always
from switchpoint.config.routers import ClearSection, LayeredRouter, UtilityRouter
from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Step
from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.routers.budget import Budgets
from switchpoint.routers.router import Router
from switchpoint.routers.semantic import Semantic

SEMANTIC, CLEAR, CASCADE = "semantic", "clear", "cascade"
"""The names of the layers, in the order in which they are asked."""

ByEstimates = Callable[[str, UtilityRouter], Router]
"""Makes the router of a name and a section, with the budget of that name where the section has a target."""


def layered(
    name: str, section: LayeredRouter, strategy: Callable[[str], Strategy], by_estimates: ByEstimates, budgets: Budgets
) -> Layered:
    """Make the strategy of a section; `strategy` finds a model, router or cascade by name.

    Raises ConfigError for a target that no layer could follow.
    """
    last = strategy(section.otherwise)
    willingness_usd = _willingness(name, section, budgets)
    layers: list[Layer] = []
    if section.routes:
        layers.append(Layer(SEMANTIC, _by_topic(topics(name, section, strategy, last))))
    if section.clear is not None and willingness_usd is not None:
        router = by_estimates(name, _routed(section, section.clear))
        layers.append(Layer(CLEAR, _clear(router, section.clear, willingness_usd)))
    elif section.target_usd_per_1k is not None and not isinstance(last, Willing):
        raise ConfigError(
            f"routers.{name}.target_usd_per_1k: neither a clear layer nor {section.otherwise!r} decides by a "
            "willingness, so nothing can be kept to a target. Give clear, or name a cascade that does."
        )
    return Layered(name, [*layers, Layer(CASCADE, always(last, willingness_usd))])


def _willingness(name: str, section: LayeredRouter, budgets: Budgets) -> Willingness | None:
    """Return what every layer decides by: the budget's, which moves, or the one that is stated; None without either."""
    stated = section.willingness_usd
    if section.target_usd_per_1k is not None:
        budget = budgets.configured(name, section.target_usd_per_1k, 0.0 if stated is None else stated)
        return lambda query: budget.willingness_usd(query.draw)
    return None if stated is None else lambda _: stated


def _routed(section: LayeredRouter, clear: ClearSection) -> UtilityRouter:
    """Return the section of the router behind the clear layer."""
    return UtilityRouter(
        kind="utility",
        willingness_usd=section.willingness_usd,
        target_usd_per_1k=section.target_usd_per_1k,
        **clear.model_dump(exclude={"margin"}),
    )


def _clear(router: Router, section: ClearSection, willingness_usd: Willingness) -> Settle:
    return Clear(
        name=CLEAR,
        router=router,
        candidates=router.catalog,
        willingness_usd=willingness_usd,
        margin=section.margin,
        max_novelty=section.max_novelty,
    ).settle


def _by_topic(semantic: Semantic) -> Settle:
    def settle(query: Query, attempts: Sequence[Attempt]) -> Step | Passed:
        step = semantic.settle(query, attempts)
        return Passed("") if step is None else step

    return settle
