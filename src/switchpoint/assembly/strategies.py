"""The routers and cascades of a configuration, as strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from switchpoint.assembly.cascades import cascade, verifiers_of
from switchpoint.assembly.evidence import ORDINARY, AnyRouter, Evidence
from switchpoint.assembly.layered import layered
from switchpoint.assembly.semantic import semantic
from switchpoint.cascades.capped import Capped, Caps
from switchpoint.cascades.resilient import Resilient
from switchpoint.config.cascades import AnyCascade
from switchpoint.config.routers import (
    BUILT_IN,
    LayeredRouter,
    LengthRouter,
    RandomRouter,
    RatedRouter,
    RuleSection,
    RulesRouter,
    SemanticRouter,
    SimpleRouter,
    UtilityRouter,
)
from switchpoint.config.schema import Config
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Reason
from switchpoint.core.errors import ConfigError, RequestError
from switchpoint.core.protocols import Policy, Strategy
from switchpoint.routers.budget import Budget, Budgeted, Budgets
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.policies import CheapestAbove, CheapestWithin, Explore, MaxUtility, Random, StrongIfWorth
from switchpoint.routers.router import Router
from switchpoint.routers.routes import Routes
from switchpoint.routers.rules import Rule, Rules
from switchpoint.verifiers.needs import require
from switchpoint.verifiers.patterns import bounded

INFINITY = float("inf")
WIDE = (UtilityRouter, LengthRouter, RandomRouter, RatedRouter)
"""Routers that have a two-model view at any threshold."""
SETTINGS = {
    "willingness_usd": "willingness_usd",
    "quality": "quality_floor",
    "within": "within_of_best",
    "share": "strong_share",
}
"""The keys of the configuration that a caller's words stand for."""
NO_WAY = dict.fromkeys((*SETTINGS.values(), "threshold"))


class Strategies:
    """Makes the strategies of a configuration.

    default : the model for queries without evidence and for failures to decide.
    after : whose place these take: their budgets and caps remember what they have seen.
    """

    def __init__(self, config: Config, catalog: Catalog, after: Strategies | None = None) -> None:
        self.config = config
        self.catalog = catalog
        self.evidence = Evidence(catalog)
        self.budgets: Budgets = Budgets(None if after is None else after.budgets)
        self.caps: Caps = Caps(None if after is None else after.caps)
        self.default = config.engine.default_model or self.evidence.most_able(catalog)
        require(verifiers_of(config.cascades.values()))
        self.sections = {**BUILT_IN, **config.routers, **config.cascades}
        self._made: dict[str, Strategy] = {}
        self._making: list[str] = []

    def routes(self, around: Callable[[Strategy], Strategy] = lambda strategy: strategy) -> Routes:
        """Return what a caller may name; raises ConfigError for rules that go in a circle, and for unfit artifacts.

        around : put around each of them, inside of what retries; a model that a caller names stays as it is.
        """
        engine = self.config.engine

        def resilient(strategy: Strategy) -> Strategy:
            return Resilient(strategy, self.catalog, retries=engine.retries, backoff_s=engine.backoff_s)

        def at_threshold(name: str) -> Callable[[float], Strategy]:
            return lambda threshold: resilient(around(self._at_threshold(name, threshold)))

        def at_setting(name: str) -> Callable[[str, float], Strategy]:
            return lambda way, value: resilient(around(self._at_setting(name, way, value)))

        wide = [n for n, s in self.sections.items() if isinstance(s, WIDE)]
        return Routes(
            self.catalog,
            {name: resilient(around(self.strategy(name))) for name in self.sections},
            auto=self.auto(),
            bypass=lambda model: resilient(Fixed(model, self.catalog, model)),
            at_threshold={name: at_threshold(name) for name in wide},
            at_setting={name: at_setting(name) for name in wide if isinstance(self.sections[name], UtilityRouter)},
        )

    def auto(self) -> str:
        """Return what `auto` stands for: as configured, else the only router or cascade there is, else `bundled`."""
        configured = [*self.config.routers, *self.config.cascades]
        return self.config.gateway.auto or (configured[0] if len(configured) == 1 else "bundled")

    def strategy(self, name: str) -> Strategy:
        """Return the strategy of a router, a cascade or, by its id, a model; the same one each time."""
        if name not in self._made:
            if name in self._making:
                circle = " -> ".join([*self._making, name])
                raise ConfigError(f"routers.{name}: the rules go in a circle: {circle}. Break it.")
            self._making.append(name)
            self._made[name] = self._capped(name, self._make(name))
            self._making.pop()
        return self._made[name]

    def _capped(self, name: str, made: Strategy) -> Strategy:
        share = getattr(self.sections.get(name), "max_escalation_share", None)
        return made if share is None else Capped(made, self.caps.of(name, share))

    def _make(self, name: str) -> Strategy:
        section = self.sections.get(name)
        match section:
            case None:
                return Fixed(name, self.catalog, name, reason=Reason.FIXED)
            case AnyCascade():
                return cascade(name, section, self.catalog, self.evidence)
            case RulesRouter():
                rules = [(_rule(rule), self.strategy(rule.use)) for rule in section.rules]
                return Rules(name, rules, self.strategy(section.otherwise))
            case SemanticRouter():
                return semantic(name, section, self.strategy)
            case LayeredRouter():
                return layered(name, section, self.strategy, self._by_estimates, self.budgets)
            case SimpleRouter(kind=kind):
                return self._router(name, section, MaxUtility(0.0 if kind == "cheapest" else INFINITY), Reason.FIXED)
            case RandomRouter():
                return self._router(name, section, Random(section.weights), Reason.RANDOM)
            case LengthRouter() | UtilityRouter() | RatedRouter():
                return self._by_estimates(name, section)
        raise ConfigError(f"routers.{name}: no router is made of {section!r}.")

    def _by_estimates(self, name: str, section: LengthRouter | UtilityRouter | RatedRouter) -> Router:
        policy: Policy
        match section:
            case UtilityRouter(target_usd_per_1k=float() as target):
                start_usd = 0.0 if section.willingness_usd is None else section.willingness_usd
                return self._budgeted(name, section, self.budgets.configured(name, target, start_usd))
            case UtilityRouter(willingness_usd=float() as w) | RatedRouter(willingness_usd=float() as w):
                policy = MaxUtility(w)
            case UtilityRouter(quality_floor=float() as floor):
                policy = CheapestAbove(floor)
            case UtilityRouter(within_of_best=float() as epsilon):
                policy = CheapestWithin(epsilon)
            case _:
                return self._router(name, section, self._two_model(name, section), Reason.ESTIMATED)
        # Only an absolute choice needs the guard; who asks for a share or a threshold asks for an ordering.
        return self._router(name, section, policy, Reason.ESTIMATED, guarded=True)

    def _budgeted(self, name: str, section: UtilityRouter, budget: Budget) -> Router:
        made = self._router(name, section, Budgeted(budget), Reason.ESTIMATED)
        if np.isnan(made.cost.predict([ORDINARY]).mean).all():
            raise ConfigError(f"routers.{name}: no price is known, so nothing can be kept to a target. State prices.")
        return made

    def _at_setting(self, name: str, way: str, value: float) -> Strategy:
        """A router of the configuration at another setting, `NAME:WAY=VALUE`; a budget is the same one each time."""
        section = self.sections[name]
        assert isinstance(section, UtilityRouter)
        try:
            if way == "usd_per_1k":
                label = f"{name}:{way}={value!r}"
                return self._budgeted(label, section, self.budgets.asked(label, value))
            return self._by_estimates(name, section.model_copy(update={**NO_WAY, SETTINGS[way]: value}))
        except ConfigError as error:  # what the configuration cannot do the caller must not ask for
            raise RequestError(str(error), param="model") from error

    def _at_threshold(self, name: str, threshold: float) -> Strategy:
        """The two-model view of a router, RouteLLM's `router-NAME-THRESHOLD`."""
        section = self.sections[name]
        assert isinstance(section, WIDE)
        weak, strong = self._pair(section)
        if isinstance(section, RandomRouter):
            draw = Random({strong: 1.0 - threshold, weak: threshold})
            return self._router(name, section, draw, Reason.RANDOM)
        return self._router(name, section, StrongIfWorth(weak, strong, threshold), Reason.ESTIMATED)

    def _router(
        self,
        name: str,
        section: AnyRouter,
        policy: Policy,
        reason: Reason,
        guarded: bool = False,
    ) -> Router:
        candidates = self._candidates(section)
        explore = section.explore if isinstance(section, UtilityRouter) else 0.0
        latency = self.evidence.latency(section)
        max_latency_s = section.max_latency_s if isinstance(section, UtilityRouter) else None
        if max_latency_s is not None and latency is None:
            raise ConfigError(
                f"routers.{name}.max_latency_s: its artifact learned no latencies, so it would limit nothing. Train it "
                "on outcomes with latency_s, or remove the limit."
            )
        # Without its rating a query has no place in an ordering either.
        guarded = guarded or isinstance(section, RatedRouter)
        return Router(
            name,
            candidates,
            quality=self.evidence.quality(section, candidates),
            cost=self.evidence.cost(section, candidates),
            policy=Explore(policy, explore) if explore > 0 else policy,
            default=self.default if guarded and self.default in candidates else None,
            max_novelty=section.max_novelty if isinstance(section, UtilityRouter) else 0.5,
            reason=reason,
            latency=latency,
            max_latency_s=max_latency_s,
        )

    def _two_model(self, name: str, section: LengthRouter | UtilityRouter | RatedRouter) -> StrongIfWorth:
        weak, strong = self._pair(section)
        if section.threshold is not None:
            return StrongIfWorth(weak, strong, section.threshold)
        if isinstance(section, RatedRouter) or section.strong_share is None:
            raise ConfigError(f"routers.{name}: say how it decides: strong_share or threshold.")
        threshold = self.evidence.threshold(section, self._candidates(section), section.strong_share)
        return StrongIfWorth(weak, strong, threshold)

    def _pair(self, section: RandomRouter | LengthRouter | UtilityRouter | RatedRouter) -> tuple[str, str]:
        candidates = self._candidates(section)
        weak = getattr(section, "weak", None) or self.evidence.least_able(candidates)
        strong = getattr(section, "strong", None) or self.evidence.most_able(candidates)
        return weak, strong

    def _candidates(self, section: AnyRouter) -> Catalog:
        names: Sequence[str] = section.models or self.evidence.trained_on(section) or self.catalog.ids
        return Catalog(self.catalog[name] for name in names)


def _rule(section: RuleSection) -> Rule:
    return Rule(
        name=section.name,
        min_chars=section.min_chars,
        max_chars=section.max_chars,
        keywords=frozenset(word.casefold() for word in section.keywords),
        pattern=bounded(section.pattern) if section.pattern else None,
        tags={tag: frozenset([v] if isinstance(v, str) else v) for tag, v in section.tags.items()},
        needs=frozenset(section.needs),
    )
