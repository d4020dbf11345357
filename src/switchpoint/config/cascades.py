"""Sections of who decides after an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from switchpoint.config.section import OneOrSeveral, Section, Share


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


CascadeSection = Annotated[
    ThresholdCascadeSection | PrefixSection | AgreementSection | EnsembleSection | IndexSection | TrainedCascadeSection,
    Field(discriminator="kind"),
]
