"""Decision time of every router that is fitted to outcomes, one query at a time, beside what others do for a decision.

All answer the same 200 queries in turns, in one process. Without embedding means that the reader has seen every text
and only looks its columns up; `ngrams` reads the text itself all the same. The others:

- semantic-router, where it can be imported, over the bundled embedder, with 10 routes of 20 utterances;
- RouteLLM's matrix factorisation on a vector of 1,536 numbers, without the call of an embeddings endpoint before it;
- RouteLLM's similarity-weighted ranking, as published: a logistic regression on every battle twice, for each query,
  beside the sufficient statistics that give the same strengths.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle

import numpy as np

from benchmarks.decision import text
from benchmarks.fit import made_up
from benchmarks.semantic import N_ROUTES, N_UTTERANCES, peer, words
from benchmarks.timing import in_turns, us
from switchpoint.core.query import Query
from switchpoint.estimators.embedders import embedder_of
from switchpoint.estimators.heads import TextHeads
from switchpoint.estimators.learned import METHODS, Learned
from switchpoint.estimators.ranking import strengths
from switchpoint.learning.routers import make_router, options

N_ASKED, N_TOKENS = 200, 50
N_ROWS, N_MODELS = 2_000, 11
WIDTH, PROJECTED = 1_536, 128
N_BATTLES, N_TIERS = 20_000, 10
SLOW_ROUNDS = 5
Work = dict[str, Callable[[], object]]


class Remembered:
    """A reader that has seen every text before."""

    def __init__(self, texts: Sequence[str]) -> None:
        embedder = embedder_of("static")
        self.name, self.dim = embedder.name, embedder.dim
        self._columns = dict(zip(texts, embedder.read(texts), strict=True))

    def read(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self._columns[each] for each in texts])

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return self.read(texts)[:, : self.dim]


def measure() -> list[dict[str, str]]:
    texts = [text(N_TOKENS, seed) for seed in range(N_ASKED)]
    with_embedding, without = routers(), routers()
    reader = Remembered(texts)
    for each in without.values():
        remember(each, reader)
    work: Work = {f"{name}, embedding": asking(each, texts) for name, each in with_embedding.items()}
    work |= {f"{name}, no embedding": asking(each, texts) for name, each in without.items()}
    work |= semantic(texts) | factorisation()
    p50 = {name: float(np.median(each)) for name, each in in_turns(work, N_ASKED).items()}
    p50 |= {name: float(np.median(each)) for name, each in in_turns(ranking(), SLOW_ROUNDS, warm_up=1).items()}
    return [*ours(with_embedding, p50), *theirs(p50)]


def routers() -> Mapping[str, TextHeads | Learned]:
    outcomes = made_up(N_ROWS, N_MODELS)
    catalog = options(outcomes.models)
    made = {name: make_router(name, outcomes, catalog) for name in ("default", *METHODS)}
    return {name: each for name, each in made.items() if isinstance(each, TextHeads | Learned)}


def remember(router: TextHeads | Learned, reader: Remembered) -> None:
    router.knowledge = router.knowledge._replace(embedder=reader)
    if isinstance(router, Learned):
        router.reader = reader


def asking(router: TextHeads | Learned, texts: Sequence[str]) -> Callable[[], object]:
    """A query keeps what was worked out of it, so each is made anew, before the clock starts."""
    queries = iter([Query.of(each) for _ in range(3) for each in texts])
    return lambda: router.predict([next(queries)])


def ours(names: Mapping[str, object], p50: Mapping[str, float]) -> Iterator[dict[str, str]]:
    for name in names:
        beside = f"without embedding {us(p50[f'{name}, no embedding'])}"
        what = f"{name}, {N_ROWS:,} rows, {N_MODELS} models, {N_TOKENS} tokens, p50"
        yield {"what": what, "value": us(p50[f"{name}, embedding"]), "beside": beside}


def theirs(p50: Mapping[str, float]) -> Iterator[dict[str, str]]:
    for name, seconds in p50.items():
        if not name.endswith("embedding"):
            yield {"what": f"{name}, p50", "value": us(seconds), "beside": ""}


def semantic(texts: Sequence[str]) -> Work:
    topics = {f"route {n}": [words(8, 100 * n + i) for i in range(N_UTTERANCES)] for n in range(N_ROUTES)}
    reader = Remembered([*texts, *(each for utterances in topics.values() for each in utterances)])
    found: Work = {}
    for what, embedder in (("embedding included", embedder_of("static")), ("embedding excluded", reader)):
        name, router = peer(topics, embedder)
        asked = cycle(texts)
        found[f"{name} as semantic routes, {what}"] = lambda router=router, asked=asked: router(next(asked))
    return found


def factorisation() -> Work:
    """δ(m, q) = w · (v_m / |v_m| ⊙ P q), and the win rate of one model of two is the sigmoid of the difference."""
    random = np.random.default_rng(0)
    models, project = random.normal(size=(2, PROJECTED)), random.normal(size=(PROJECTED, WIDTH)) / WIDTH
    models, project, mix = (part.astype(np.float32) for part in (models, project, random.normal(size=PROJECTED)))
    queries = cycle(random.normal(size=(N_ASKED, WIDTH)).astype(np.float32))
    collapsed = project.T @ (mix * (models / np.linalg.norm(models, axis=1, keepdims=True))).T

    def published() -> float:
        unit = models / np.linalg.norm(models, axis=1, keepdims=True)
        strength = (unit * (project @ next(queries))) @ mix
        return float(1 / (1 + np.exp(strength[0] - strength[1])))

    def ahead() -> float:
        strength = next(queries) @ collapsed
        return float(1 / (1 + np.exp(strength[0] - strength[1])))

    return {f"RouteLLM mf, {WIDTH:,} numbers, as published": published, "the same, collapsed beforehand": ahead}


def ranking() -> Work:
    """Battles between ten tiers of models, near and far from the query; both ways give one strength for each tier."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(N_BATTLES, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    a = random.integers(0, N_TIERS, N_BATTLES)
    b = (a + random.integers(1, N_TIERS, N_BATTLES)) % N_TIERS
    result = random.choice([0.0, 0.5, 1.0], N_BATTLES)
    query = vectors[0] + 0.02 * random.normal(size=WIDTH).astype(np.float32)
    weigh = partial(weights, vectors, query / np.linalg.norm(query))
    wins = np.zeros((N_BATTLES, N_TIERS, N_TIERS), dtype=np.float32)
    rows = np.arange(N_BATTLES)
    wins[rows, a, b], wins[rows, b, a] = result, 1 - result
    sums = wins.reshape(N_BATTLES, -1)
    size = f"{N_BATTLES:,} battles"
    return {
        f"RouteLLM sw_ranking, {size}, as published": lambda: by_regression(a, b, result, weigh()),
        "the same by sufficient statistics": lambda: strengths((weigh() @ sums).reshape(1, N_TIERS, N_TIERS)),
    }


def weights(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    cosine = vectors @ query
    return 10.0 * 10.0 ** (cosine / cosine.max())


def by_regression(a: np.ndarray, b: np.ndarray, result: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Every battle stands twice, and of a tie one half is a win and the other a loss."""
    from sklearn.linear_model import LogisticRegression

    n, x = len(a), np.zeros((len(a), N_TIERS))
    x[np.arange(n), a], x[np.arange(n), b] = np.log(10), -np.log(10)
    won = np.concatenate([result > 0, result == 1.0])
    fitted = LogisticRegression(fit_intercept=False).fit(np.vstack([x, x]), won, sample_weight=np.tile(weight, 2))
    return fitted.coef_[0]


if __name__ == "__main__":
    for line in measure():
        print(f"{line['what']:62} {line['value']:>12}   {line['beside']}")
