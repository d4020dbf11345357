"""Semantic routes: the time of a decision, and how many texts go where they belong, beside semantic-router.

Both get the same utterances, the same vectors (the bundled embedder) and the same queries, in one process and in turns.
Without semantic-router in the environment (`pip install semantic-router`) the time is compared with plain numpy: one
product and an argmax, no thresholds. Topics are subjects of recorded examinations where those are at hand: utterances
and others from `train`, judged on `test`. semantic-router 1.x has no fit of thresholds; it calibrates its confidence on
held-out texts, here the same number of them, and accepts above one half.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.decision import WORDS
from benchmarks.timing import in_turns, us
from switchpoint.assembly.semantic import SemanticRoutes
from switchpoint.estimators.embedders import embedder_of
from switchpoint.learning.semantic import fit
from switchpoint.routers.semantic import Matcher
from switchpoint.routers.utterances import parse, same

SHARED = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("SWITCHPOINT_DATA", SHARED)) / "mmlu-gpt4-mixtral"
N_ROUTES, N_UTTERANCES, N_ASKED, SEEDS = 10, 20, 40, 5
ROUNDS = 1000
Topics = dict[str, list[str]]


class Remembered:
    """An embedder that has seen every text before: what is left is the time of routing."""

    def __init__(self, texts: Sequence[str]) -> None:
        embedder = embedder_of("static")
        self.name, self.dim = embedder.name, embedder.dim
        self._vectors = dict(zip(texts, embedder.embed(texts), strict=True))

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self._vectors[text] for text in texts])


def measure() -> list[dict[str, str]]:
    return [*times(), *accuracies()]


def times() -> list[dict[str, str]]:
    topics = {f"route {n}": [words(8, 100 * n + i) for i in range(N_UTTERANCES)] for n in range(N_ROUTES)}
    asked = [words(12, 10_000 + i) for i in range(200)]
    remembered = Remembered([*asked, *(text for texts in topics.values() for text in texts)])
    found = []
    for what, embedder in (("embedding included", embedder_of("static")), ("embedding excluded", remembered)):
        rival_name, rival = peer(topics, embedder)
        for kind, alpha in (("dense", 1.0), ("hybrid", 0.5)):
            ours = SemanticRoutes.of(described(topics, alpha), embedder)
            work = {"ours": asking(ours, asked), "rival": asking(rival, asked)}
            seconds = in_turns(work, ROUNDS, block=100)
            p50, p99, other = (*np.quantile(seconds["ours"], (0.5, 0.99)), np.median(seconds["rival"]))
            beside = f"{rival_name}, dense: {us(other)}"
            found.append({"what": f"{kind} routes, {what}, p50 (p99 {us(p99)})", "value": us(p50), "beside": beside})
    return found


def accuracies() -> list[dict[str, str]]:
    if not DATA.is_dir():
        return [{"what": "texts that go where they belong", "value": "–", "beside": f"no data at {DATA.name}"}]
    rounds = [accuracy(seed) for seed in range(SEEDS)]
    return [
        {
            "what": f"texts that go where they belong, {name}",
            "value": f"{np.nanmean([each[name] for each in rounds]):.3f}",
            "beside": f"mean of {SEEDS} draws of {N_ROUTES} subjects, {N_UTTERANCES} utterances each",
        }
        for name in rounds[0]
    ]


def accuracy(seed: int) -> dict[str, float]:
    """Return by method the share of unseen texts that went to their subject, or to none where they have none."""
    topics, held_out, others, asked = examinations(seed)
    embedder = embedder_of("static")
    share: dict[str, float] = {}
    for kind, alpha in (("dense", 1.0), ("sparse", 0.0), ("hybrid", 0.5)):
        routes = parse(described(topics, alpha, others, held_out))
        share[f"{kind}, thresholds not fitted"] = right(Matcher(routes, embedder), asked)
        found = fit(routes, embedder)
        share[f"{kind}, fitted"] = right(Matcher(found.routes, embedder), asked)
        share[f"{kind}, as cross-validation said"] = found.accuracy.value
    share |= rival_accuracy(topics, held_out, others, asked, embedder)
    return share


def rival_accuracy(topics: Topics, held_out: Topics, others: list[str], asked: list, embedder) -> dict[str, float]:
    labelled = [(text, name) for name, texts in held_out.items() for text in texts] + [(t, None) for t in others]
    name, router = peer(topics, embedder, confidence_threshold=0.5)
    if not hasattr(router, "fit"):
        return {}
    router.fit([text for text, _ in labelled], [name for _, name in labelled])
    return {f"{name}, dense, calibrated": right(router, asked)}


def right(router: Callable, asked: list[tuple[str, str | None]]) -> float:
    return float(np.mean([router(text).name == name for text, name in asked]))


def described(topics: Topics, alpha: float, others: Sequence[str] = (), held_out: Topics | None = None) -> dict:
    routes = {name: {"utterances": texts, "examples": (held_out or {}).get(name, [])} for name, texts in topics.items()}
    return {"alpha": alpha, "others": list(others), "routes": routes}


def peer(topics: Topics, embedder, **options: object) -> tuple[str, Callable]:
    """Return semantic-router over the same vectors, else plain numpy."""
    try:
        from importlib.metadata import version

        from semantic_router import Route
        from semantic_router.encoders import DenseEncoder
        from semantic_router.routers import IndexedRouter
    except ImportError:
        return "plain numpy", numpy_peer(topics, embedder)

    class Same(DenseEncoder):
        name: str = "same"

        def __call__(self, docs: list) -> list[list[float]]:
            return embedder.embed(docs).tolist()

    routes = [Route(name=name, utterances=texts) for name, texts in topics.items()]
    return f"semantic-router {version('semantic-router')}", IndexedRouter(Same(), routes, **options)


def numpy_peer(topics: Topics, embedder) -> Callable:
    names = [name for name, texts in topics.items() for _ in texts]
    matrix = embedder.embed([text for texts in topics.values() for text in texts])
    return lambda text: names[int((matrix @ embedder.embed([text])[0]).argmax())]


def examinations(seed: int) -> tuple[Topics, Topics, list[str], list[tuple[str, str | None]]]:
    """Return utterances and held-out texts by subject, texts of other subjects, and what is asked with its subject."""
    import pyarrow.parquet as parquet

    drawn = random.Random(seed)
    split: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    rows = {same(row["text"]): row for row in parquet.read_table(DATA / "queries.parquet").to_pylist()}
    for row in rows.values():
        split[row["split"]].setdefault(row["domain"], []).append(row["text"])
    for texts in (texts for part in split.values() for texts in part.values()):
        drawn.shuffle(texts)
    subjects = sorted(name for name, texts in split["train"].items() if len(texts) >= 2 * N_UTTERANCES)
    drawn.shuffle(subjects)
    ours, rest = subjects[:N_ROUTES], subjects[N_ROUTES:]
    topics = {name: split["train"][name][:N_UTTERANCES] for name in ours}
    held_out = {name: split["train"][name][N_UTTERANCES : 2 * N_UTTERANCES] for name in ours}
    others = [text for name in rest for text in split["train"][name][:5]]
    asked = [(text, name) for name in ours for text in split["test"].get(name, [])[:N_ASKED]]
    asked += [(text, None) for name in rest for text in split["test"].get(name, [])[:10]]
    return topics, held_out, others, asked


def asking(router: Callable, asked: Sequence[str]) -> Callable[[], object]:
    texts = iter(asked[number % len(asked)] for number in range(10**9))
    return lambda: router(next(texts))


def words(n_words: int, seed: int) -> str:
    drawn = random.Random(seed)
    return " ".join(drawn.choice(WORDS) for _ in range(n_words))
