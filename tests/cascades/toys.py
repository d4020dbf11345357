"""Random beliefs, and answers drawn from them: what tests of the trained cascade have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from switchpoint.cascades.belief import NOT_CALLED, SAYS_NOTHING, Evidence
from switchpoint.cascades.latent import OPEN, OTHER, Latent
from switchpoint.cascades.plan import Plan
from switchpoint.cascades.program import build
from switchpoint.cascades.reading import Reading
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query

NAMES = ("mini", "mid", "big")
COSTS_USD = (0.001, 0.002, 0.1)


def belief(seed: int, *, n_models: int = 3, n_options: int = OPEN, n_bins: int = 1, n_classes: int = 2) -> Latent:
    """Return a belief of which nothing is particular."""
    random = np.random.default_rng(seed)
    role = random.dirichlet(np.ones(4), size=(n_models, n_classes, 2 if n_options == 2 else 1))
    if n_options == 2:
        role[..., OTHER] = 0.0
    return Latent(
        models_=NAMES[:n_models],
        n_options=n_options,
        share=random.dirichlet(np.ones(n_classes)),
        role=role / role.sum(axis=-1, keepdims=True),
        edges=np.linspace(0, 1, n_bins + 1)[1:-1],
        score=random.dirichlet(np.ones(n_bins), size=(n_models, 2)),
    )


def plan(known: Latent, *, scored: list[bool] | None = None, willingness_usd: float = 0.3) -> Plan:
    """Return the plan of a belief over all its models; listed options are called a, b, c and so on."""
    n_models = len(known.models_)
    return Plan(
        program=build(known, range(n_models), scored),
        reading=Reading(options=() if known.n_options >= OPEN else tuple("abcdefgh"[: known.n_options])),
        cost_usd=np.array(COSTS_USD[-n_models:]),
        priced=True,
        willingness_usd=willingness_usd,
        strong=known.models_[-1],
    )


def evidence(said: list[int], score: list[float] | None = None) -> Evidence:
    """Return the evidence of one query."""
    return Evidence(np.array([said]), np.full((1, len(said)), np.nan) if score is None else np.array([score]))


def to_come(known: Latent, seen: Evidence, column: int, scored: bool) -> Iterator[tuple[Evidence, float]]:
    """Yield every answer that a model may give next and how probable it is; of open options all new ones are one."""
    n_seen = int(seen.conclusion.max()) + 1
    is_open = known.n_options >= OPEN
    labels = [(label, 1) for label in range(n_seen if is_open else known.n_options)]
    labels += [(n_seen, known.n_options - n_seen)] if is_open else []
    inside = np.concatenate([[0.0], known.edges, [1.0]])
    scores = (inside[:-1] + inside[1:]) / 2 if scored else [np.nan]
    answers = [(label, score, times) for label, times in labels for score in scores] + [(SAYS_NOTHING, np.nan, 1)]
    before = known.weights(seen).log_evidence[0]
    for label, score, times in answers:
        said, scored_as = seen.conclusion.copy(), seen.score.copy()
        said[0, column], scored_as[0, column] = label, score
        after = Evidence(said, scored_as)
        yield after, float(times * np.exp(known.weights(after).log_evidence[0] - before))


def drawn(known: Latent, n_queries: int, seed: int = 0) -> tuple[Evidence, np.ndarray]:
    """Draw answers of listed options, with their scores, and whether each is right."""
    random = np.random.default_rng(seed)
    n_models, n_options, n_bins = len(known.models_), known.n_options, known.score.shape[2]
    inside = np.concatenate([[0.0], known.edges, [1.0]])
    said = np.full((n_queries, n_models), NOT_CALLED)
    score, right = np.full(said.shape, np.nan), np.zeros(said.shape, dtype=bool)
    for row in range(n_queries):
        k = random.choice(len(known.share), p=known.share)
        gold, tempting, *others = random.permutation(n_options).tolist()
        for m in range(n_models):
            p = known.role[m, k, gold % known.role.shape[2]]
            role = random.choice(4, p=p / p.sum())
            said[row, m] = (gold, tempting, random.choice(others or [tempting]), SAYS_NOTHING)[role]
            right[row, m] = role == 0
            b = random.choice(n_bins, p=known.score[m, int(right[row, m])])
            score[row, m] = (inside[b] + inside[b + 1]) / 2
    return Evidence(said, score), right


SHARED_ERRORS = replace(
    belief(0, n_options=4, n_bins=2),
    share=np.array([0.7, 0.3]),
    role=np.array(
        [
            [[0.90, 0.05, 0.04, 0.01], [0.30, 0.55, 0.13, 0.02]],
            [[0.88, 0.07, 0.04, 0.01], [0.25, 0.60, 0.13, 0.02]],
            [[0.97, 0.01, 0.01, 0.01], [0.70, 0.20, 0.08, 0.02]],
        ]
    )[:, :, None],
    score=np.array([[[0.8, 0.2], [0.3, 0.7]]] * 3),
)
"""Cheap models that are tempted by the same wrong answers to the hard third of the queries."""


SCATTERED_ERRORS = replace(
    SHARED_ERRORS,
    role=np.array(
        [
            [[0.93, 0.03, 0.03, 0.01], [0.30, 0.30, 0.38, 0.02]],
            [[0.92, 0.03, 0.04, 0.01], [0.30, 0.30, 0.38, 0.02]],
            [[0.98, 0.01, 0.005, 0.005], [0.90, 0.04, 0.04, 0.02]],
        ]
    )[:, :, None],
)
"""Cheap models that are wrong each in its own way, so that agreement proves much."""


def toy(n_queries: int, seed: int = 0, known: Latent = SHARED_ERRORS) -> tuple[Outcomes, Evidence]:
    """Return answers to questions of four options, with a bill of its own for each call, and the evidence of them."""
    seen, right = drawn(known, n_queries, seed)
    texts = [["" if o == SAYS_NOTHING else f"The answer is ({'ABCD'[o]})." for o in row] for row in seen.conclusion]
    noise = np.random.default_rng(seed).uniform(0.5, 2, right.shape)
    outcomes = Outcomes(
        queries=tuple(Query.of(f"Question {seed}.{n}?") for n in range(n_queries)),
        models=NAMES,
        quality=right.astype(float),
        cost_usd=np.array(COSTS_USD) * noise,
        domains=("toy",) * n_queries,
        responses=np.array(texts, dtype=object),
        name="toy",
    )
    return outcomes, seen


def write_rows(folder: Path, train: Outcomes, test: Outcomes) -> Path:
    """Write recorded answers as a folder of outcomes."""
    queries, rows = [], []
    for split, outcomes in (("train", train), ("test", test)):
        for i, query in enumerate(outcomes.queries):
            queries.append({"query_id": query.id, "split": split, "domain": "toy", "text": query.text})
            for j, model in enumerate(outcomes.models):
                usd = float(outcomes.cost_usd[i, j])
                score, said = float(outcomes.quality[i, j]), outcomes.responses[i, j]
                cost = None if np.isnan(usd) else usd
                rows.append({"query_id": query.id, "model": model, "score": score, "cost_usd": cost, "response": said})
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("queries", queries), ("outcomes", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
