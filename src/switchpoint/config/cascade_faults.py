"""Faults of a cascade that no schema sees: names it uses, and settings that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from switchpoint.verifiers import NEEDS_LOGPROBS

Raw = Mapping[str, Any]

ONCE = frozenset({"threshold", "prefix", "index"})
"""Kinds that call each model once, so that a second mention says nothing."""

COMBINES = {"vote": None, "best": "verifier", "rank": "model", "fuse": "model"}
"""What each way of combining an ensemble needs; it has no use for the other."""


def named_by(name: str, cascade: Raw, models: set[str], verifiers: set[str]) -> Iterator[tuple[str, Any, set[str]]]:
    """Yield every place of a cascade that names something, the name, and what it may be."""
    for key in ("models", "voters", "final", "model"):
        for listed in _listed(cascade.get(key)):
            yield f"cascades.{name}.{key}", listed, models
    for listed in _listed(cascade.get("verifier")):
        yield f"cascades.{name}.verifier", listed, verifiers


def faults_of_cascades(cascades: Raw, models: Raw) -> Iterator[str]:
    """Yield one line for each fault, with its place; what is not of the right type is the schema's to tell."""
    for name, cascade in cascades.items():
        if not isinstance(cascade, Mapping):
            continue
        place, kind = f"cascades.{name}", cascade.get("kind", "threshold")
        if kind in ONCE:
            yield from _repeated(place, cascade)
        yield from _thresholds(place, cascade)
        if kind == "agreement":
            yield from _agreement(place, cascade)
        if kind == "ensemble":
            yield from _combined(place, cascade)
        yield from _blind(place, kind, cascade, models)


def _repeated(place: str, cascade: Raw) -> Iterator[str]:
    listed = _listed(cascade.get("models"))
    for model in dict.fromkeys(each for each in listed if listed.count(each) > 1):
        yield f"{place}.models: names {model!r} twice, but calls each model once. Name it once."


def _thresholds(place: str, cascade: Raw) -> Iterator[str]:
    thresholds, models = cascade.get("threshold"), _listed(cascade.get("models"))
    if isinstance(thresholds, list) and len(thresholds) != len(models) - 1:
        yield (
            f"{place}.threshold: give one number, or one for each model but the last: {len(models) - 1} for these. "
            f"Got {len(thresholds)}."
        )


def _agreement(place: str, cascade: Raw) -> Iterator[str]:
    voters, lead = _listed(cascade.get("voters")), cascade.get("lead", 2)
    most = cascade.get("most", len(voters))
    if cascade.get("final") in voters:
        yield f"{place}.final: {cascade['final']!r} is a voter too. Name a model that does not vote."
    if "confidence" in cascade and "lead" in cascade:
        yield f"{place}: lead and confidence are different ways to say one thing. Keep one."
    if "confidence" not in cascade and isinstance(lead, int) and isinstance(most, int) and most < lead:
        yield f"{place}.lead: {most} opinions never lead by {lead}. Name more voters, raise most, or lower lead."


def _combined(place: str, cascade: Raw) -> Iterator[str]:
    combine = cascade.get("combine", "vote")
    if combine not in COMBINES:
        return
    needs = COMBINES[combine]
    if needs is not None and needs not in cascade:
        yield f"{place}.{needs}: is missing; combine = {combine!r} needs it."
    for key in sorted({"verifier", "model"} - {needs}):
        if key in cascade:
            yield f"{place}.{key}: combine = {combine!r} has no use for it. Remove it."


def _blind(place: str, kind: object, cascade: Raw, models: Raw) -> Iterator[str]:
    """A model whose `can` leaves logprobs out cannot be verified by how sure it was of its words."""
    needing = [verifier for verifier in _listed(cascade.get("verifier")) if verifier in NEEDS_LOGPROBS]
    chain = _listed(cascade.get("models"))
    # The last model of a chain is taken as it is.
    verified = chain[:-1] if kind in ("threshold", "prefix") else chain
    for model in dict.fromkeys(each for each in verified if needing and isinstance(each, str)):
        section = models.get(model)
        can = section.get("can") if isinstance(section, Mapping) else None
        if isinstance(can, list) and "logprobs" not in can:
            yield (
                f"{place}.verifier: {needing[0]!r} needs log-probabilities, which {model!r} cannot give (its `can` "
                "does not list logprobs). Name another model, or a verifier that reads words."
            )


def _listed(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
