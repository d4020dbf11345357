"""Sections of who decides before an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from switchpoint.config.section import Section, Share


class Candidates(Section):
    """What every router has: its candidates; all models unless named."""

    models: list[str] | None = None


class SimpleRouter(Candidates):
    """The cheapest or the best candidate, whatever the query."""

    kind: Literal["cheapest", "best"]


class RandomRouter(Candidates):
    """A draw by weight; equal weights unless given."""

    kind: Literal["random"]
    weights: dict[str, NonNegativeFloat] = {}


class LengthRouter(Candidates):
    """Long prompts to the strong model."""

    kind: Literal["length"]
    weak: str | None = None
    strong: str | None = None
    threshold: Share | None = None
    strong_share: Share | None = None


class UtilityRouter(Candidates):
    """The choice by estimated quality and cost; willingness_usd, or one of the five below it, says how."""

    kind: Literal["utility"]
    artifact: str = "bundled"
    willingness_usd: NonNegativeFloat | None = None
    threshold: Share | None = None
    strong_share: Share | None = None
    quality_floor: Share | None = None
    within_of_best: Share | None = None
    target_usd_per_1k: PositiveFloat | None = None
    weak: str | None = None
    strong: str | None = None
    explore: Share = 0.0
    max_novelty: Share = 0.5
    max_latency_s: PositiveFloat | None = None
    cached_share: Share = 0.0
    embeddings: str | None = None


class RatedRouter(Candidates):
    """The choice by what a small model says of each query first; one of willingness_usd or threshold says how."""

    kind: Literal["rated"]
    rater: str
    way: Literal["difficulty", "weak_ok", "tier", "trained"] = "difficulty"
    time_box_s: PositiveFloat = 2.0
    cache_size: PositiveInt = 10_000
    artifact: str | None = None
    willingness_usd: NonNegativeFloat | None = None
    threshold: Share | None = None
    weak: str | None = None
    strong: str | None = None


BUILT_IN: dict[str, SimpleRouter | RandomRouter | LengthRouter | UtilityRouter] = {
    "bundled": UtilityRouter(kind="utility", strong_share=0.5),
    "cheapest": SimpleRouter(kind="cheapest"),
    "best": SimpleRouter(kind="best"),
    "random": RandomRouter(kind="random"),
    "length": LengthRouter(kind="length", strong_share=0.5),
}
"""Routers that every configuration has, unless it gives their names to others; half the traffic goes to the strong."""


class RuleSection(Section):
    """One rule; every condition given must hold. `use` names a model, a router or a cascade."""

    name: str
    use: str
    min_chars: PositiveInt | None = None
    max_chars: PositiveInt | None = None
    keywords: list[str] = []
    pattern: str | None = None
    tags: dict[str, str | list[str]] = {}
    needs: list[Literal["tools", "vision", "json_schema", "logprobs"]] = []


class RulesRouter(Section):
    """The first rule that matches decides; `otherwise` names who decides for the rest."""

    kind: Literal["rules"]
    rules: list[RuleSection]
    otherwise: str


class SemanticRouteSection(Section):
    """One topic, by example. `use` names a model, a router or a cascade; `refuse` is told the caller instead."""

    utterances: Annotated[list[str], Field(min_length=1)]
    negatives: list[str] = []
    examples: list[str] = []
    threshold: Share | None = None
    use: str | None = None
    refuse: str | None = None


class Topics(Section):
    """Semantic routes, given here or in a file, and how a query is compared with them."""

    file: Path | None = None
    routes: dict[str, SemanticRouteSection] = {}
    embedder: str = "static"
    alpha: Share = 0.5
    top: PositiveInt = 3
    others: list[str] = []
    fitted_with: str | None = None


class SemanticRouter(Topics):
    """The semantic route that the query is like decides; `otherwise` names who decides where none matches."""

    kind: Literal["semantic"]
    otherwise: str


class ClearSection(Candidates):
    """What the estimates settle: a query where looking at answers would add at most `margin`, in quality."""

    artifact: str = "bundled"
    margin: Share = 0.05
    max_novelty: Share = 0.5
    explore: Share = 0.0
    cached_share: Share = 0.0


class LayeredRouter(Topics):
    """Semantic routes settle the obvious, estimates the clear, and `otherwise`, a cascade, has the rest."""

    kind: Literal["layered"]
    clear: ClearSection | None = None
    otherwise: str
    willingness_usd: NonNegativeFloat | None = None
    target_usd_per_1k: PositiveFloat | None = None
    max_escalation_share: Share | None = None


Router = Annotated[
    SimpleRouter
    | RandomRouter
    | LengthRouter
    | UtilityRouter
    | RatedRouter
    | RulesRouter
    | SemanticRouter
    | LayeredRouter,
    Field(discriminator="kind"),
]
