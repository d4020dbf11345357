"""Random beliefs, and answers drawn from them: what tests of the trained cascade have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from switchpoint.cascades.belief import NOT_CALLED, SAYS_NOTHING, Evidence
from switchpoint.cascades.latent import OPEN, OTHER, Latent
from switchpoint.cascades.plan import Plan
from switchpoint.cascades.program import build
from switchpoint.cascades.reading import Reading

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
