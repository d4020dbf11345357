"""Program: the best plan there is for asking a few models one after another, by exact dynamic programming.

A state is what every model has said so far. Under a `Latent` belief the chance of each next answer is known, so the
value of a state is the best of stopping, with the likeliest answer in hand, and of asking each model that is left:

    V(state) = max( best answer in hand, max over models of E V(state after its answer) - its price )

Unlike an index rule this knows that a disagreement makes the answer in hand worse too. The number of states grows
quickly with the models, so the program takes a few; deciding is looking a state up.

Source: backward induction, Bellman 1957; as the optimum that Weitzman's index rule (1979) reaches where answers are
independent, which these are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from switchpoint.cascades.belief import NOT_CALLED, SAYS_NOTHING, Evidence
from switchpoint.cascades.latent import CHUNK, Latent
from switchpoint.cascades.rules import STOP
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import BoolArray, FloatArray, IntArray

MAX_STATES = 60_000
SAME_VALUE = 1e-12

State = tuple[int, ...]
"""What each model of the program said: the number of its answer times the number of bins plus the bin of its score."""


class Played(NamedTuple):
    """What a program does on recorded answers at several prices; shapes (n_queries, n_prices, n_models), without it.

    called : of the program's models, who was asked. given : whose answer was given, as a column of the program.
    """

    called: BoolArray
    given: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All states, and where each answer leads.

    belief : that gave the probabilities. columns : of the belief, the models of the program.
    scored : which of these a verifier scores. number : of each state.
    best, pick : shape (n_states,): probability that the likeliest answer in hand is right, and whose it is.
    depth : shape (n_states,): how many have answered.
    child, chance : shape (n_states, n_models, n_answers): the states after each answer, and how probable these are.
    """

    belief: Latent
    columns: tuple[int, ...]
    scored: tuple[bool, ...]
    number: dict[State, int]
    best: FloatArray
    pick: IntArray
    depth: IntArray
    child: IntArray
    chance: FloatArray

    @property
    def models(self) -> tuple[str, ...]:
        """The models of the program, in its order."""
        return tuple(self.belief.models_[column] for column in self.columns)

    def actions(self, price: FloatArray) -> IntArray:
        """Return what to do in each state: the column of the program to ask, or `STOP`.

        price : of asking each model, in quality, shape (n_prices, n_models); infinite for one that must not be asked.
        Returns shape (n_states, n_prices). With nothing in hand somebody is asked, unless nobody may be.
        """
        n_states, n_models, _ = self.child.shape
        value = np.zeros((n_states, len(price)))
        action = np.full((n_states, len(price)), STOP)
        for depth in range(n_models, -1, -1):
            rows = np.flatnonzero(self.depth == depth)
            value[rows] = self.best[rows, None]
            for model in range(n_models):
                asked = rows[self.chance[rows, model].any(axis=1)]
                ahead = np.einsum("sa,sap->sp", self.chance[asked, model], value[self.child[asked, model]])
                ahead -= price[:, model]
                better = ahead > value[asked] + SAME_VALUE
                value[asked] = np.where(better, ahead, value[asked])
                action[asked] = np.where(better, model, action[asked])
        return action

    def read(self, evidence: Evidence) -> list[State]:
        """Return what each query's models of the program said, were all of them asked."""
        said, score = evidence.conclusion[:, self.columns], evidence.score[:, self.columns]
        return [tuple(row) for row in self.codes(said, score)]

    def codes(self, said: IntArray, score: FloatArray) -> list[list[int]]:
        """Return conclusions with the bins of their scores as the states have them, shapes (n_queries, n_models)."""
        bins = np.where(self.scored, self.belief.bins(score), 0)
        found: list[list[int]] = np.where(said >= 0, said * self._bins + bins, said).tolist()
        return found

    def state(self, said: Sequence[int]) -> int:
        """Return the number of a state."""
        return self.number[self._plain(said)]

    def play(self, evidence: Evidence, action: IntArray) -> Played:
        """Follow these actions, shape (n_states, n_prices), on queries of which every answer is recorded."""
        rows = self.read(evidence)
        called = np.zeros((len(rows), action.shape[1], len(self.columns)), dtype=bool)
        given = np.zeros((len(rows), action.shape[1]), dtype=np.intp)
        known: dict[State, int] = {}
        for row, whole in enumerate(rows):
            first = known.setdefault(self._plain(whole), row)
            if first < row:
                called[row], given[row] = called[first], given[first]
                continue
            for price in range(action.shape[1]):
                called[row, price], given[row, price] = self._follow(whole, action[:, price])
        return Played(called, given)

    def _follow(self, whole: State, action: IntArray) -> tuple[list[bool], int]:
        said = [NOT_CALLED] * len(whole)
        while True:
            state = self.state(said)
            model = int(action[state])
            if model == STOP or whole[model] == NOT_CALLED:
                return [code != NOT_CALLED for code in said], int(self.pick[state])
            said[model] = whole[model]

    @property
    def _bins(self) -> int:
        return len(self.belief.edges) + 1

    def _plain(self, said: Sequence[int]) -> State:
        return _plain(said, self._bins, self.belief.n_options)


def build(belief: Latent, columns: Sequence[int], scored: Sequence[bool] | None = None) -> Program:
    """List every state of these models and what follows; raises ConfigError where they are too many."""
    marks = tuple(scored or [False] * len(columns))
    bins = len(belief.edges) + 1
    number, answers = _states(belief, len(columns), marks, bins)
    states = np.array(list(number))
    mean, log_evidence = _believed(belief, columns, states, marks)
    width = max((len(each) for each in answers.values()), default=1)
    child = np.zeros((*states.shape, width), dtype=np.intp)
    chance = np.zeros(child.shape)
    for (state, model), following in answers.items():
        child[state, model] = following[0][0]  # what pads has no chance, but must have a finite value
        child[state, model, : len(following)] = [number_of for number_of, _ in following]
        chance[state, model, : len(following)] = [times for _, times in following]
    chance *= np.exp(log_evidence[child] - log_evidence[:, None, None])
    whole = chance.sum(axis=2, keepdims=True)
    return Program(
        belief=belief,
        columns=tuple(columns),
        scored=marks,
        number=number,
        best=np.where((states != NOT_CALLED).any(axis=1), mean.max(axis=1), -np.inf),
        pick=mean.argmax(axis=1),
        depth=(states != NOT_CALLED).sum(axis=1),
        child=child,
        chance=np.divide(chance, whole, out=np.zeros_like(chance), where=whole > 0),  # rounding, and bins never seen
    )


Following = dict[tuple[int, int], list[tuple[int, float]]]
"""For (state, model): the state after each answer, and how many options such an answer stands for."""


def _states(belief: Latent, n_models: int, scored: tuple[bool, ...], bins: int) -> tuple[dict[State, int], Following]:
    start: State = (NOT_CALLED,) * n_models
    number, following = {start: 0}, Following()
    for said in _growing(number):
        for model in (model for model in range(n_models) if said[model] == NOT_CALLED):
            after = []
            for code, times in _answers(said, belief.n_options, bins, bins if scored[model] else 1):
                reached = _plain((*said[:model], code, *said[model + 1 :]), bins, belief.n_options)
                after.append((number.setdefault(reached, len(number)), times))
            following[number[said], model] = after
        if len(number) > MAX_STATES:
            raise ConfigError(f"A program of {n_models} models has over {MAX_STATES:,} states. Name fewer models.")
    return number, following


def _growing(number: dict[State, int]) -> Iterator[State]:
    """Yield the states in order, those that are added meanwhile too."""
    at = 0
    while at < len(number):
        states = list(number)
        yield from states[at:]
        at = len(states)


def _answers(said: State, n_options: int, bins: int, own_bins: int) -> Iterator[tuple[int, float]]:
    """Yield the codes of the answers that may come: what was said, one new answer for all others, or nothing."""
    seen = max((code // bins for code in said if code >= 0), default=-1) + 1
    labels = [(label, 1.0) for label in range(2 if n_options == 2 else seen)]
    if n_options != 2 and seen < n_options:
        labels.append((seen, float(n_options - seen)))
    for label, times in labels:
        for score in range(own_bins):
            yield label * bins + score, times
    yield SAYS_NOTHING, 1.0


def _plain(said: Sequence[int], bins: int, n_options: int) -> State:
    """Number the answers in the order of the models: who agrees with whom matters, and not what they say.

    Of two options it does matter, since models favour one.
    """
    if n_options == 2:
        return tuple(said)
    names: dict[int, int] = {}
    return tuple(code if code < 0 else names.setdefault(code // bins, len(names)) * bins + code % bins for code in said)


def _believed(
    belief: Latent, columns: Sequence[int], states: IntArray, scored: tuple[bool, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return how probably each answer in hand is right, -1 for none, and the log-probability of each state."""
    means, evidences, bins = [], [], len(belief.edges) + 1
    inside = np.concatenate([[0.0], belief.edges, [1.0]])
    score_of = (inside[:-1] + inside[1:]) / 2
    for start in range(0, len(states), CHUNK):
        part = states[start : start + CHUNK]
        shape = len(part), len(belief.models_)
        said, score = np.full(shape, NOT_CALLED), np.full(shape, np.nan)
        said[:, columns] = np.where(part >= 0, part // bins, part)
        score[:, columns] = np.where(scored & (part >= 0), score_of[np.maximum(part, 0) % bins], np.nan)
        weights = belief.weights(Evidence(said, score))
        gold, own = weights.joint.sum(axis=(1, 3)), said[:, columns]
        right = np.take_along_axis(gold, np.maximum(own, 0), axis=1)
        means.append(np.where(own >= 0, right, np.where(own == NOT_CALLED, -1.0, 0.0)))
        evidences.append(weights.log_evidence)
    return np.concatenate(means), np.concatenate(evidences)
