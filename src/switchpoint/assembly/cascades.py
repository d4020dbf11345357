"""The cascades of a configuration, as strategies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from switchpoint.assembly.evidence import ORDINARY, Evidence
from switchpoint.cascades.agreement import Agreement
from switchpoint.cascades.cascade import Cascade
from switchpoint.cascades.combine import Best, Fuse, Rank, Vote
from switchpoint.cascades.ensemble import Combine, Ensemble
from switchpoint.cascades.plan import KIND, VERIFIER, Plan
from switchpoint.cascades.planned import Planned
from switchpoint.cascades.prefix import PrefixGate
from switchpoint.cascades.reservation import bernoulli
from switchpoint.cascades.rules import Index
from switchpoint.cascades.separate import Separate
from switchpoint.cascades.threshold import LOGPROBS, ThresholdCascade
from switchpoint.config.cascades import (
    AgreementSection,
    CascadeSection,
    EnsembleSection,
    IndexSection,
    PrefixSection,
    ThresholdCascadeSection,
    TrainedCascadeSection,
)
from switchpoint.config.routers import UtilityRouter
from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import Strategy, Verifier
from switchpoint.core.query import EMPTY, Query
from switchpoint.estimators.artifact import read, read_part
from switchpoint.verifiers import NEEDS_LOGPROBS
from switchpoint.verifiers.learned import Learned


def cascade(name: str, section: CascadeSection, catalog: Catalog, evidence: Evidence) -> Strategy:
    """Make the strategy of a section; raises ConfigError, and ArtifactError for an artifact that cannot serve."""
    match section:
        case ThresholdCascadeSection(models=models, verifier=verifier, threshold=threshold):
            chosen = threshold[0] if len(threshold) == 1 else threshold
            return ThresholdCascade(name, catalog, models, verifier, chosen, needs_logprobs=bool(asked_for(verifier)))
        case PrefixSection(models=models, verifier=verifier, threshold=threshold, prefix_tokens=tokens):
            logprobs = bool(asked_for([verifier]))
            return PrefixGate(name, catalog, models, verifier, threshold, tokens, needs_logprobs=logprobs)
        case AgreementSection(lead=lead, confidence=confidence, most=most):
            voters, final = section.voters, section.final
            return Agreement(name, catalog, voters, final, lead=lead, confidence=confidence, most=most)
        case EnsembleSection(models=models, verifier=verifier):
            asked = asked_for([] if verifier is None else [verifier])
            return Ensemble(name, catalog, models, _combine(section, catalog), parameters=asked)
        case IndexSection():
            return _index(name, section, catalog, evidence)
        case TrainedCascadeSection():
            return trained_cascade(name, section, catalog)


def verifiers_of(cascades: Iterable[CascadeSection]) -> set[str]:
    """Return the names of the verifiers that cascades use."""
    named = [getattr(section, "verifier", None) for section in cascades]
    lists = [each if isinstance(each, list) else [each] for each in named if each is not None]
    return {verifier for each in lists for verifier in each}


def asked_for(verifiers: Iterable[str]) -> Mapping[str, Any]:
    """Return the fields of a request that these verifiers need in it."""
    return EMPTY if NEEDS_LOGPROBS.isdisjoint(verifiers) else LOGPROBS


def trained_cascade(name: str, section: TrainedCascadeSection, catalog: Catalog) -> Strategy:
    """Make a trained cascade.

    Raises ConfigError for a model that is not in the catalog and for a verifier that is not there, ArtifactError.
    """
    whole = read(section.artifact, KIND)
    plan = Plan.restore(whole)
    missing = [model for model in plan.models if model not in catalog.ids]
    if missing:
        raise ConfigError(f"cascades.{name}.artifact: it asks {', '.join(missing)}; no such model is configured.")
    scored = [model for model, yes in zip(plan.models, plan.program.scored, strict=True) if yes]
    if scored and section.verifier is None and VERIFIER not in whole.manifest.parts:
        raise ConfigError(
            f"cascades.{name}: the answers of {', '.join(scored)} are scored, and {section.artifact} holds no "
            "verifier. Name one in `verifier`, or train it again."
        )
    verifiers = {model: section.verifier or scorer_name(name, model) for model in scored}
    asked = asked_for([] if section.verifier is None else [section.verifier])
    return Planned(name, catalog, plan, willingness_usd=section.willingness_usd, verifiers=verifiers, parameters=asked)


def scorer_name(cascade: str, model: str) -> str:
    """Return the name under which the engine knows the scorer of a trained cascade for the answers of one model."""
    return f"{cascade}:{model}"


def scorers(name: str, section: TrainedCascadeSection) -> Mapping[str, Verifier]:
    """Return the verifiers that were trained with a cascade, by name; each takes an answer for one model's."""
    whole = read(section.artifact, KIND)
    part = read_part(section.artifact, whole, VERIFIER)
    if part is None:
        return {}
    learned = Learned.restore(part)
    return {scorer_name(name, model): _of_model(learned, model) for model in Plan.restore(whole).models}


def _of_model(learned: Learned, model: str) -> Verifier:
    """Score every answer as this model's, under whatever name the upstream answers."""

    async def score(query: Query, answer: Answer) -> Verdict:
        return await learned(query, replace(answer, model=model))

    return score


def _combine(section: EnsembleSection, catalog: Catalog) -> Combine:
    if section.combine == "best" and section.verifier is not None:
        return Best(section.verifier)
    if section.model is not None:
        model = catalog[section.model]
        return Rank(model) if section.combine == "rank" else Fuse(model)
    return Vote()


def _index(name: str, section: IndexSection, catalog: Catalog, evidence: Evidence) -> Cascade:
    candidates = Catalog(catalog[model] for model in section.models)
    router = UtilityRouter(kind="utility", artifact=section.artifact, models=section.models, willingness_usd=0.0)
    quality = evidence.quality(router, candidates)
    means = quality.predict([ORDINARY]).mean[0].tolist()
    return Cascade(
        name=name,
        catalog=candidates,
        belief=Separate(quality.models_, means, slope=section.slope, intercept=section.intercept),
        rule=Index(bernoulli),
        quality=quality,
        cost=evidence.cost(router, candidates),
        latency=evidence.latency(router),
        willingness_usd=section.willingness_usd,
        usd_per_s=section.usd_per_s,
        verifier=section.verifier,
        max_calls=section.max_calls,
        parameters=asked_for([section.verifier]),
    )
