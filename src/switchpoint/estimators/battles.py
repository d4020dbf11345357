"""Battles: who won, as arrays; what members learn from where there are preferences, or where they compare outcomes."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.outcome import Preferences
from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators.calibration import SLOPE_RIDGE, Calibration, Platt, Uncalibrated
from switchpoint.estimators.logistic import solve
from switchpoint.estimators.member import MEMBERS, Line, Member
from switchpoint.estimators.reading import Reading


class Battles(NamedTuple):
    """One battle for each row of a reading.

    a, b : shape (n_rows,), columns of the two models. result : shape (n_rows,), 1 if a won, 0 if b did, 0.5 for a tie.
    """

    a: IntArray
    b: IntArray
    result: FloatArray
    n_models: int

    @classmethod
    def of(cls, preferences: Preferences) -> tuple[tuple[str, ...], Self]:
        """Return the models, in the order of their names, and the battles.

        Raises DataError where there are none, or for an unknown result.
        """
        if not preferences.queries:
            raise DataError("There are no preferences: without any, not even the models are known. Give at least one.")
        result = np.asarray(preferences.result, dtype=np.float64)
        if not ((result >= 0) & (result <= 1)).all():
            raise DataError("A preference's result must be 1, 0 or 0.5 for a tie. Got others or none; drop those rows.")
        models = tuple(sorted({*preferences.a, *preferences.b}))
        column = {model: i for i, model in enumerate(models)}
        a, b = (np.array([column[m] for m in side], dtype=np.intp) for side in (preferences.a, preferences.b))
        return models, cls(a, b, result, len(models))

    def take(self, rows: BoolArray | IntArray) -> Self:
        """Return the battles of these rows."""
        return self._replace(a=self.a[rows], b=self.b[rows], result=self.result[rows])

    def among(self, tier: IntArray) -> Self:
        """Return the same battles between the tiers of the models; tier : shape (n_models,)."""
        return self._replace(a=tier[self.a], b=tier[self.b], n_models=int(tier.max(initial=-1)) + 1)

    def leads(self, logits: FloatArray) -> FloatArray:
        """Return how far model a is ahead of model b in each row of logits, shape (n_rows,)."""
        rows = np.arange(len(self.result))
        result: FloatArray = logits[rows, self.a] - logits[rows, self.b]
        return result

    def slope(self, logits: FloatArray) -> float:
        """Return the factor that makes differences of these logits honest about the results, shrunk to 1, 0 or more.

        logits : of rows that the members had not seen, shape (n_rows, n_models).
        """
        lead = self.leads(logits)
        change = solve(lead[:, None], self.result, ridge=np.array([SLOPE_RIDGE]), offset=lead)
        return max(0.0, 1.0 + float(change[0]))

    def total(self) -> FloatArray:
        """Return the wins of models over models in all rows, shape (n_models, n_models)."""
        result = np.zeros((self.n_models, self.n_models))
        np.add.at(result, (self.a, self.b), self.result)
        np.add.at(result, (self.b, self.a), 1 - self.result)
        return result

    def wins(self) -> FloatArray:
        """Return what each row is of a win of one model over another, shape (n_rows, n_models, n_models), float32."""
        result = np.zeros((len(self.result), self.n_models, self.n_models), dtype=np.float32)
        rows = np.arange(len(self.result))
        result[rows, self.a, self.b] += self.result
        result[rows, self.b, self.a] += 1 - self.result
        return result


@runtime_checkable
class Comparing(Protocol):
    """The class of a member that can learn from battles too."""

    def fit_preferences(self, reading: Reading, battles: Battles, **settings: Any) -> Member:
        """Learn from who won, one battle for each row."""
        ...


def compare(line: Line, reading: Reading, battles: Battles) -> Member:
    """Fit a member to battles with the line's settings; raises ConfigError for one that learns from outcomes only."""
    member = line.member()
    if not isinstance(member, Comparing):
        able = ", ".join(kind for kind, other in MEMBERS.items() if isinstance(other.member(), Comparing))
        raise ConfigError(f"{member.__name__} learns from outcomes, not from preferences. Those that do: {able}.")
    return member.fit_preferences(reading, battles, **line.settings)


def calibrate(name: str, battles: Battles, logits: FloatArray) -> Calibration:
    """Return the calibration of strengths: one factor for all models, since their differences are what was observed.

    logits : of rows that the members had not seen, shape (n_rows, n_models). Raises ConfigError unless `name` is
    "platt" or "none".
    """
    if name not in ("platt", "none"):
        raise ConfigError(f"Calibration {name!r} needs outcomes; preferences allow 'platt' or 'none'.")
    if name == "none":
        return Uncalibrated()
    return Platt(np.full(battles.n_models, battles.slope(logits)), np.zeros(battles.n_models))


def wins_of(quality: FloatArray) -> FloatArray:
    """Return the wins of every pair of models that were observed on the same query, a tie half a win of each.

    Shape (n_queries, n_models, n_models), float32: [i, a, b] is 1 where a was better than b on query i.
    """
    a, b = quality[:, :, None], quality[:, None, :]
    # What was not observed is neither more, nor equal: NaN compares as false.
    wins: FloatArray = (a > b).astype(np.float32) + np.float32(0.5) * (a == b)
    wins[:, np.arange(quality.shape[1]), np.arange(quality.shape[1])] = 0
    return wins
