"""The sections of switchpoint.toml, which are the glossary."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

Price = Annotated[Decimal, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
OneOrSeveral = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
"""One value may be given for a list of one; a union of both would tell every fault twice."""


class Section(BaseModel):
    """A section of the file: unknown keys are faults, and nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OpenAIUpstream(Section):
    """Any OpenAI-compatible endpoint; the key is named by its environment variable, never written down."""

    kind: Literal["openai"] = "openai"
    base_url: str
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    connect_timeout_s: PositiveFloat = 5.0
    first_byte_timeout_s: PositiveFloat = 60.0
    idle_timeout_s: PositiveFloat = 30.0
    total_timeout_s: PositiveFloat = 600.0


class FakeUpstream(Section):
    """Scripted answers by upstream model name, for trying a configuration without calling anybody."""

    kind: Literal["fake"]
    script: dict[str, list[str]]
    latency_s: NonNegativeFloat = 0.0


class ReplayUpstream(Section):
    """Recorded answers: a folder of queries.jsonl and outcomes.jsonl; at time_scale 1 they take as long as they did."""

    kind: Literal["replay"]
    data: Path
    time_scale: NonNegativeFloat = 0.0


class EmbeddingsSection(Section):
    """An OpenAI-compatible embeddings endpoint; a router that names it has each query's vector before it decides."""

    base_url: str
    model: str | None = None
    dim: PositiveInt
    shorten: bool = False
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    usd_per_mtok: Price | None = None
    time_box_s: PositiveFloat = 2.0


class ModelSection(Section):
    """One callable option. Prices and context length that are not given come from the price library."""

    upstream: str
    upstream_model: str | None = None
    parameters: dict[str, Any] = {}
    preamble: list[dict[str, Any]] = []
    samples: PositiveInt = 1
    input_usd_per_mtok: Price | None = None
    cached_input_usd_per_mtok: Price | None = None
    output_usd_per_mtok: Price | None = None
    usd_per_hour: Price | None = None
    context_tokens: PositiveInt | None = None
    can: list[Literal["tools", "vision", "json_schema", "logprobs"]] | None = None
    tier: Literal["weak", "mid", "strong"] | None = None
    output_tokens: PositiveInt = 300
    max_output_tokens: PositiveInt | None = None


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


class AskingVerifier(Section):
    """What every verifier that asks a model has: the model of the catalog, and the time for one verdict."""

    model: str
    time_box_s: PositiveFloat = 8.0


class SelfCheckVerifier(AskingVerifier):
    """A model says several times whether an answer is right; the score is the share of yes."""

    kind: Literal["self_check"]
    samples: PositiveInt = 8
    at_once: PositiveInt = 8
    max_tokens: PositiveInt = 250
    scores: Annotated[list[Share], Field(min_length=2)] | None = None


class PTrueVerifier(AskingVerifier):
    """A model says once whether an answer is true; the score is the probability of that word."""

    kind: Literal["p_true"]


class JudgeVerifier(AskingVerifier):
    """A model scores an answer against a rubric."""

    kind: Literal["judge"]
    rubric: str | None = None
    low: float = 1.0
    high: float = 10.0
    max_tokens: PositiveInt = 64


class RewardVerifier(Section):
    """A reward model; its reward is squashed into [0, 1] by a line."""

    kind: Literal["reward"]
    read: Literal["words", "number", "vector"]
    model: str | None = None
    embeddings: str | None = None
    good: list[str] = ["+"]
    bad: list[str] = ["-"]
    field: str = "reward"
    slope: float = 1.0
    intercept: float = 0.0
    time_box_s: PositiveFloat = 8.0


class PythonVerifier(Section):
    """A function of one's own, plain or async: of a query and an answer, to a score or a verdict."""

    kind: Literal["python"]
    function: str
    time_box_s: PositiveFloat = 8.0
    at_once: PositiveInt = 8


class FormatVerifier(Section):
    """Whether an answer has the form that is wanted: at least one of form, pattern and max_words."""

    kind: Literal["format"]
    form: Literal["letter", "number", "date", "json", "one_line"] | None = None
    pattern: str | None = None
    max_words: PositiveInt | None = None
    of: Literal["whole", "conclusion"] = "whole"


class CodeVerifier(Section):
    """The share of a query's tests that an answer's Python passes, in a sandbox."""

    kind: Literal["code"]
    tests: Path
    time_s: PositiveInt = 5
    memory_mb: PositiveInt = 512


class LearnedVerifier(Section):
    """A verifier that was trained on outcomes."""

    kind: Literal["learned"]
    artifact: Path


class AnyCascade(Section):
    """What every cascade has."""

    max_escalation_share: Share | None = None


class ThresholdCascadeSection(AnyCascade):
    """Cheap first; the next model where a verifier's score stays below the threshold."""

    kind: Literal["threshold"] = "threshold"
    models: Annotated[list[str], Field(min_length=2)]
    verifier: Annotated[list[str], Field(min_length=1), OneOrSeveral]
    threshold: Annotated[list[Share], Field(min_length=1), OneOrSeveral]


class PrefixSection(AnyCascade):
    """Cheap first; the beginning of its answer is held and scored, and streams on from the threshold."""

    kind: Literal["prefix"]
    models: Annotated[list[str], Field(min_length=2)]
    verifier: str
    threshold: Share
    prefix_tokens: PositiveInt = 64


class AgreementSection(AnyCascade):
    """Opinions one at a time until enough of them agree, else the final model."""

    kind: Literal["agreement"]
    voters: Annotated[list[str], Field(min_length=1)]
    final: str | None = None
    lead: PositiveInt = 2
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    most: PositiveInt | None = None


class EnsembleSection(AnyCascade):
    """Every model answers; then one answer is chosen or written. A reference, not a way to save."""

    kind: Literal["ensemble"]
    models: Annotated[list[str], Field(min_length=2)]
    combine: Literal["vote", "best", "rank", "fuse"] = "vote"
    verifier: str | None = None
    model: str | None = None


class IndexSection(AnyCascade):
    """The index rule on a router's estimates and a verifier's calibrated score."""

    kind: Literal["index"]
    models: Annotated[list[str], Field(min_length=2)]
    verifier: str
    willingness_usd: NonNegativeFloat
    artifact: str = "bundled"
    usd_per_s: NonNegativeFloat = 0.0
    max_calls: PositiveInt | None = None
    slope: float = 1.0
    intercept: float = 0.0


class TrainedCascadeSection(AnyCascade):
    """A cascade that was trained on outcomes."""

    kind: Literal["trained"]
    artifact: Path
    willingness_usd: NonNegativeFloat | None = None
    verifier: str | None = None


class EngineSection(Section):
    """How calls are made, and where a query goes when deciding fails."""

    default_model: str | None = None
    baseline_model: str | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    backoff_s: NonNegativeFloat = 0.5
    max_attempts: PositiveInt = 10
    verify_time_box_s: PositiveFloat = 10.0
    max_held_mb: PositiveFloat = 1.0


class RecordsSection(Section):
    """Whether and where records are kept; prompts and answers are in them only if `store_prompts` says so."""

    enabled: bool = True
    path: Path = Path("switchpoint-data/records.sqlite")
    store_prompts: bool = False


class GatewaySection(Section):
    """Where the gateway listens, and what `auto` stands for."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    auto: str | None = None
    max_body_mb: PositiveFloat = 20.0
    heartbeat_s: NonNegativeFloat = 10.0


Upstream = Annotated[OpenAIUpstream | FakeUpstream | ReplayUpstream, Field(discriminator="kind")]
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


VerifierSection = Annotated[
    SelfCheckVerifier
    | PTrueVerifier
    | JudgeVerifier
    | RewardVerifier
    | PythonVerifier
    | FormatVerifier
    | CodeVerifier
    | LearnedVerifier,
    Field(discriminator="kind"),
]


CascadeSection = Annotated[
    ThresholdCascadeSection | PrefixSection | AgreementSection | EnsembleSection | IndexSection | TrainedCascadeSection,
    Field(discriminator="kind"),
]


class Config(Section):
    """The whole file."""

    upstreams: dict[str, Upstream]
    models: dict[str, ModelSection]
    embeddings: dict[str, EmbeddingsSection] = {}
    routers: dict[str, Router] = {}
    verifiers: dict[str, VerifierSection] = {}
    cascades: dict[str, CascadeSection] = {}
    engine: EngineSection = EngineSection()
    records: RecordsSection = RecordsSection()
    gateway: GatewaySection = GatewaySection()

    def digest(self) -> str:
        """Return the hash that every record carries: of the resolved configuration, which holds no secret."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]
