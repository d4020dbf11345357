"""Member: one way of predicting quality from what was read of a query.

A member is what fitting leaves behind: a tuple of arrays, so that every one is stored, read back and checked alike.
`Learned` makes an estimator of one member or of several; a new method is a file with a member and a line in `MEMBERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np

from switchpoint.core.errors import ConfigError, nearest
from switchpoint.core.query import FloatArray
from switchpoint.estimators.artifact import Tensors
from switchpoint.estimators.reading import Reading

SURE = 0.02
"""No member is surer than this: one that is certain and wrong would outvote all others."""


class Member(Protocol):
    """A NamedTuple of arrays (a single number is an array of no dimension, a file its bytes as uint8)."""

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray) -> Self:
        """Learn from rows; quality : shape (n_queries, n_models), in [0, 1], NaN is not observed and left out.

        Settings follow as keywords with defaults. Any number of rows is enough, none included: what is not known is
        one half. The same rows give the same member.
        """
        ...

    def predict(self, reading: Reading) -> FloatArray:
        """Return shape (n_queries, n_models), in [0, 1], never NaN; a row does not depend on the others."""
        ...

    def _asdict(self) -> dict[str, Any]: ...


@runtime_checkable
class Joinable(Protocol):
    """A member that can take in one more model."""

    def join(self, reading: Reading, quality: FloatArray, ability: float) -> Member:
        """Return the member with one more column; quality : shape (n_queries,); ability : where it is said to stand."""
        ...


def joined(member: Member, reading: Reading, quality: FloatArray, ability: float) -> Member:
    """Return the member with one more model; raises ConfigError where it cannot have one without all being fitted."""
    if not isinstance(member, Joinable):
        raise ConfigError(f"{type(member).__name__} cannot take in a new model. Fit it again, or use 'factors'.")
    return member.join(reading, quality, ability)


class Line(NamedTuple):
    """A line of the table: where the member is, its settings, and what it is in a few words.

    calibration : "none" for published forms whose scores order models or queries, and are not qualities.
    """

    path: str
    summary: str
    settings: Mapping[str, Any] = {}
    calibration: str = "platt"

    def member(self) -> Any:
        """Return the member's class."""
        module, name = self.path.split(":")
        return getattr(import_module(module), name)

    def fit(self, reading: Reading, quality: FloatArray) -> Member:
        """Fit a member with the line's settings."""
        fitted: Member = self.member().fit(reading, quality, **self.settings)
        return fitted

    def restore(self, tensors: Tensors) -> Member:
        """Return the member that was written."""
        restored: Member = self.member()(**tensors)
        return restored


MEMBERS: dict[str, Line] = {
    "linear": Line("switchpoint.estimators.linear:Linear", "ridge logistic on embedding and surface"),
    "surface": Line("switchpoint.estimators.linear:Linear", "logistic on the surface", {"surface_only": True}),
    "ridge": Line("switchpoint.estimators.ridge:Ridge", "ridge regression on embedding and surface"),
    "ngrams": Line("switchpoint.estimators.ngrams:Ngrams", "logistic on hashed words and letters"),
    "mlp": Line("switchpoint.estimators.mlp:Mlp", "a small network shared by the models"),
    "knn": Line("switchpoint.estimators.knn:Knn", "mean of the closest queries, shrunk"),
    "shnitzer": Line("switchpoint.estimators.shnitzer:Shnitzer", "closest queries, believed as far as they were right"),
    "shnitzer-s3": Line(
        "switchpoint.estimators.shnitzer:Shnitzer", "S3 of Shnitzer et al.", {"k": 5, "s3": True}, calibration="none"
    ),
    "clusters": Line("switchpoint.estimators.clusters:Clusters", "means of soft clusters, shrunk"),
    "kinds": Line("switchpoint.estimators.clusters:Clusters", "means of the known domains, shrunk", {"domains": True}),
    "avengers-pro": Line(
        "switchpoint.estimators.clusters:AvengersPro", "performance-efficiency score of clusters", calibration="none"
    ),
    "avengers-pro-ranks": Line(
        "switchpoint.estimators.clusters:AvengersPro",
        "the same, ranked as its code does",
        {"ranks": True, "n_clusters": 25, "top": 3},
        calibration="none",
    ),
    "factors": Line("switchpoint.estimators.factors:Factors", "abilities of models, traits and difficulty of texts"),
    "factors-routellm": Line(
        "switchpoint.estimators.routellm:Collapsed", "RouteLLM's matrix factorisation (mf)", calibration="none"
    ),
    "ranking": Line("switchpoint.estimators.ranking:Ranking", "Bradley-Terry on queries like this one"),
    "ranking-routellm": Line(
        "switchpoint.estimators.ranking:SimilarityElo",
        "RouteLLM's similarity-weighted Elo (sw_ranking)",
        {"tiers": 10},
        calibration="none",
    ),
    "hybrid-det": Line("switchpoint.estimators.hybrid:Hybrid", "as good as the reference: yes or no", {"label": "det"}),
    "hybrid-prob": Line("switchpoint.estimators.hybrid:Hybrid", "the same, over repeated answers", {"label": "prob"}),
    "hybrid-trans": Line(
        "switchpoint.estimators.hybrid:Hybrid", "the same, with the tolerance that spreads most", {"label": "trans"}
    ),
}
"""Every member by its kind. Each passes tests/estimators/test_members.py and has a page in docs/methods."""


def line_of(kind: str) -> Line:
    """Return the line of a kind; raises ConfigError, which names the nearest one."""
    if kind not in MEMBERS:
        raise ConfigError(f"Unknown member {kind!r}.{nearest(kind, MEMBERS)} Known: {', '.join(MEMBERS)}.")
    return MEMBERS[kind]


def shrunk_mean(quality: FloatArray) -> FloatArray:
    """Mean observed quality of each model, shape (n_models,), with one row of one half: 0.5 where nothing is known."""
    observed = ~np.isnan(quality)
    mean: FloatArray = (np.where(observed, quality, 0.0).sum(axis=0) + 0.5) / (observed.sum(axis=0) + 1)
    return mean


def logit(p: FloatArray) -> FloatArray:
    """Return log(p / (1 - p)) of probabilities, none taken to be surer than `SURE`."""
    clipped = np.clip(p, SURE, 1 - SURE)
    result: FloatArray = np.log(clipped / (1 - clipped))
    return result
