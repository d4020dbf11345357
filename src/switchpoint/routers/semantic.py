"""Semantic routes: who answers follows from which examples a query is like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Call, Reason, Step
from switchpoint.core.errors import ConfigError, Refused
from switchpoint.core.protocols import Embedder, Strategy
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.routers.similarity import Similarity
from switchpoint.routers.utterances import RouteSet, SemanticRoute, same

NONE = -1
"""In the place of a route's number: no route."""
TIE = 1e-6
"""Scores that differ by no more are the same: vectors of single precision carry about seven digits."""
BLOCK = 256
"""Texts compared at a time: it bounds the memory, not the result."""


class Match(NamedTuple):
    """What a text was found to be.

    name : of the route; None where none matches. score : of that route, else the highest of all, at most 1.
    scores : of every route, by name; below 0 where a text is nearer to the route's negatives than to its utterances.
    tied : the routes that share the highest score where more than one does; none of them is chosen.
    """

    name: str | None
    score: float
    scores: Mapping[str, float]
    tied: tuple[str, ...] = ()


class Matcher:
    """Finds the semantic route of a text. Pure once made: what it compares with is embedded here.

    The similarity to a route is the mean over its `top` nearest utterances (all, where it has fewer), and likewise for
    its negatives. The score is the similarity p to the utterances; where the similarity n to the negatives is greater
    it is p - n, below 0, and no threshold accepts it.

    Raises ConfigError for thresholds that were fitted with another embedder.
    """

    def __init__(self, routes: RouteSet, embedder: Embedder | None) -> None:
        used = embedder.name if embedder is not None and routes.alpha > 0 else None
        if routes.fitted_with not in (None, used):
            raise ConfigError(
                f"fitted_with: the thresholds were fitted with the embedder {routes.fitted_with}; this is {used}. "
                "Use that one, or fit again."
            )
        self.routes = routes
        self.embedder = embedder
        self.names = tuple(route.name for route in routes.routes)
        usual = default_threshold(routes.alpha)
        self.thresholds = np.array([usual if r.threshold is None else r.threshold for r in routes.routes])
        groups = [route.utterances for route in routes.routes] + [route.negatives for route in routes.routes]
        texts = [text for group in groups for text in group]
        self._similarity = Similarity(texts, embedder, routes.alpha)
        self._n_rows = len(texts)
        self._sizes = np.array([len(group) for group in groups])
        self._shares = _shares(self._sizes, routes.top)
        self._grid = _grid(self._sizes)
        self._rows: dict[str, list[int]] = {}
        for row, text in enumerate(texts):
            self._rows.setdefault(same(text), []).append(row)

    def __call__(self, text: str) -> Match:
        """Return the best route whose score reaches its own threshold; see `Match` for none and for several."""
        scores = self.scores([text])
        number = int(choose(scores, self.thresholds)[0])
        row = scores[0].tolist()
        by_name = dict(zip(self.names, row, strict=True))
        if number != NONE:
            return Match(self.names[number], row[number], by_name)
        accepted = [name for name, ok in zip(self.names, scores[0] >= self.thresholds, strict=True) if ok]
        best = max((by_name[name] for name in accepted), default=0.0)
        return Match(None, max(row), by_name, tuple(name for name in accepted if by_name[name] >= best - TIE))

    def __getitem__(self, name: str) -> SemanticRoute:
        """Return the route of this name."""
        return self.routes.routes[self.names.index(name)]

    def scores(self, texts: Sequence[str], *, unseen: bool = False) -> FloatArray:
        """Return the score of each text on each route, shape (n_texts, n_routes), at most 1.

        unseen : compare no text with itself, so that utterances are scored as if they had not been given.
        """
        blocks = [self._block(texts[at : at + BLOCK], unseen) for at in range(0, len(texts), BLOCK)]
        return np.concatenate(blocks) if blocks else np.empty((0, len(self.names)))

    def _block(self, texts: Sequence[str], unseen: bool) -> FloatArray:
        similarity = np.zeros((len(texts), self._n_rows + 1))  # the last column is what the grid is filled up with
        similarity[:, :-1] = self._similarity(texts)
        if unseen:
            return np.array([self._score_unseen(text, row) for text, row in zip(texts, similarity, strict=True)])
        return np.array([self._score(row, self._shares) for row in similarity])

    def _score_unseen(self, text: str, similarity: FloatArray) -> FloatArray:
        rows = self._rows.get(same(text), [])
        similarity[rows] = 0.0
        sizes = self._sizes - (self._grid[:, :, None] == np.array(rows, dtype=np.intp)).sum(axis=(1, 2))
        return self._score(similarity, _shares(sizes, self.routes.top))

    def _score(self, similarity: FloatArray, shares: FloatArray) -> FloatArray:
        near = similarity.take(self._grid)  # n_groups, widest group
        near.sort(axis=1)  # what groups are filled up with is 0, no similarity is below it, and so it adds nothing
        nearest = near[:, -self.routes.top :].sum(axis=1) * shares
        positive, negative = nearest[: len(self.names)], nearest[len(self.names) :]
        score: FloatArray = np.where(negative > positive, positive - negative, positive)
        return score


def default_threshold(alpha: float) -> float:
    """Return the threshold of a route that has none of its own.

    About the median of the thresholds fitted on topics of examinations with the bundled embedder: sparse similarities
    run lower than dense ones. No constant is right for every embedder and topic: fit your own.
    """
    return 0.15 + 0.4 * alpha


def choose(scores: FloatArray, thresholds: FloatArray) -> IntArray:
    """Return the number of the best route among those whose score reaches its threshold, else `NONE`.

    scores : shape (n_texts, n_routes). A tie of several is no match.
    """
    accepted = np.where(scores >= thresholds, scores, -np.inf)
    best = accepted.max(axis=1)
    alone = (accepted >= best[:, None] - TIE).sum(axis=1) == 1
    return np.where(alone & (best > -np.inf), accepted.argmax(axis=1), NONE)


def _shares(sizes: IntArray, top: int) -> FloatArray:
    """Return what each of the nearest counts in its group's mean; 0 in an empty group."""
    counts = np.minimum(sizes, top)
    return np.where(counts > 0, 1 / np.maximum(counts, 1), 0.0)


def _grid(sizes: IntArray) -> IntArray:
    """Return the row of each member of each group, shape (n_groups, widest); filled up with the row after the last."""
    within = np.arange(sizes.max())
    first = np.cumsum(sizes) - sizes
    grid: IntArray = np.where(within < sizes[:, None], first[:, None] + within, sizes.sum())
    return grid


class Semantic:
    """Ask the strategy of the route that matches; else the strategy `otherwise`.

    strategies : by route; a route without one refuses.
    """

    def __init__(self, name: str, matcher: Matcher, strategies: Mapping[str, Strategy], otherwise: Strategy) -> None:
        self.name = name
        self.matcher = matcher
        self.strategies = dict(strategies)
        self.otherwise = otherwise

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Return the step of whoever answers, the first decision marked with the route; raises Refused."""
        step = self.settle(query, attempts)
        return self.otherwise.next(query, attempts) if step is None else step

    def settle(self, query: Query, attempts: Sequence[Attempt]) -> Step | None:
        """Return the step of the route that matches, as `next` does; None where none matches. Raises Refused."""
        match = self.matcher(query.last_turn)
        if match.name is None:
            return None
        if match.name not in self.strategies:
            raise Refused(self.matcher[match.name].refuse or "This is not answered here.", match.name)
        step = self.strategies[match.name].next(query, attempts)
        return step if attempts or not isinstance(step, Call) else self._marked(step, match)

    def _marked(self, call: Call, match: Match) -> Call:
        detail = f"route {match.name}, score {match.score:.2f}"
        decision = replace(call.decision, router=self.name, reason=Reason.SEMANTIC, detail=detail)
        return replace(call, decision=decision)
