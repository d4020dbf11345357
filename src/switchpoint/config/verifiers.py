"""Sections of who judges an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from switchpoint.config.section import Section, Share


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
