"""Seconds of fitting: every router without torch, on 10,000 queries x 11 models, and how fitting grows with outcomes.

The texts are recorded queries in the folder that SWITCHPOINT_DATA names, once around and then with their words turned
round, so that no two are the same; without it, made-up ones. Outcomes are made up. Every size of the growth runs in a
process of its own, whose peak memory is told: `python -m benchmarks.fit --long` goes up to a million outcomes, once as
100,000 queries x 10 models, and once as a million queries of which each saw one of ten models. The second is the more
demanding: ten times the text.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.decision import text
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators.embedders import embedder_of
from switchpoint.estimators.learned import METHODS
from switchpoint.learning.routers import make_router, options

N_QUERIES, N_MODELS = 10_000, 11
GROWTH_MODELS = 10
SHORT, LONG = (1_000, 10_000), (1_000, 10_000, 100_000)
SPARSE = 1_000_000
NETWORKS = {"mlp", "average", "stack"}
"""Those that train a network, alone or as a member."""


def measure() -> list[dict[str, str]]:
    return [*methods(), *growth(SHORT)]


def methods() -> Iterator[dict[str, str]]:
    outcomes = made_up(N_QUERIES, N_MODELS)
    catalog = options(outcomes.models)
    total = {True: 0.0, False: 0.0}
    for name in ("default", "length", *METHODS):
        start, busy = time.perf_counter(), time.process_time()
        make_router(name, outcomes, catalog)
        wall_s, busy_s = time.perf_counter() - start, time.process_time() - busy
        total[name in NETWORKS] += wall_s
        what = f"fitting {name}, {N_QUERIES:,} queries x {N_MODELS} models"
        yield line(what, wall_s, f"processor {busy_s:.2f} s")
    yield line("fitting all of them that train no network", total[False], "limit: 60 s")
    yield line("fitting all of them", sum(total.values()))


def growth(sizes: tuple[int, ...], sparse: int | None = None) -> Iterator[dict[str, str]]:
    before: dict[str, float] | None = None
    for n_queries in sizes:
        found = apart(n_queries)
        what = f"{n_queries * GROWTH_MODELS:,} outcomes, {n_queries:,} queries"
        yield from told(what, found, before)
        before = found
    if sparse is not None:
        yield from told(f"{sparse:,} outcomes, {sparse:,} queries", apart(sparse, sparse=True), before)


def told(what: str, found: dict[str, float], before: dict[str, float] | None) -> Iterator[dict[str, str]]:
    for part, name in (("embed_s", "embedding alone"), ("fit_s", "embedding and fitting default")):
        beside = f"peak {found['peak_gb']:.2f} GB, of which the outcomes {found['outcomes_gb']:.2f} GB"
        if before is not None:
            power = math.log(found[part] / before[part]) / math.log(found["n_queries"] / before["n_queries"])
            beside += f"; grows as queries to the power {power:.2f}"
        yield line(f"{what}: {name}", found[part], beside)


def apart(n_queries: int, *, sparse: bool = False) -> dict[str, float]:
    """Measure one size in a process of its own."""
    arguments = ["--one", str(n_queries), *(["--sparse"] if sparse else [])]
    done = subprocess.run([sys.executable, "-m", "benchmarks.fit", *arguments], check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def one(n_queries: int, *, sparse: bool) -> dict[str, float]:
    outcomes = made_up(n_queries, GROWTH_MODELS, sparse=sparse)
    texts, embedder, outcomes_gb = [query.text for query in outcomes.queries], embedder_of("static"), peak_gb()
    start = time.perf_counter()
    embedder.read(texts)
    middle = time.perf_counter()
    make_router("default", outcomes, options(outcomes.models))
    end = time.perf_counter()
    seconds = {"embed_s": middle - start, "fit_s": end - middle}
    return {"n_queries": n_queries, **seconds, "peak_gb": peak_gb(), "outcomes_gb": outcomes_gb}


def made_up(n_queries: int, n_models: int, *, sparse: bool = False) -> Outcomes:
    """Models of rising quality that differ from domain to domain; sparse : one model of each query was observed."""
    random = np.random.default_rng(0)
    texts, domains = some_texts(n_queries)
    number = np.unique(domains, return_inverse=True)[1]
    chance = np.linspace(0.3, 0.8, n_models) + random.normal(0, 0.1, (number.max() + 1, n_models))
    quality = (random.random((n_queries, n_models)) < chance[number]).astype(float)
    if sparse:
        quality[np.arange(n_models) != random.integers(0, n_models, (n_queries, 1))] = np.nan
    return Outcomes(
        queries=tuple(Query.of(each) for each in texts),
        models=tuple(f"m{i}" for i in range(n_models)),
        quality=quality,
        cost_usd=np.geomspace(1e-5, 1e-2, n_models) * random.lognormal(0, 0.5, quality.shape),
        domains=tuple(domains),
    )


def some_texts(n_texts: int) -> tuple[list[str], list[str]]:
    """Return texts and the domain of each."""
    rows = recorded() or [(text(50, seed), f"kind {seed % 20}") for seed in range(20_000)]
    found = [(turned(rows[n % len(rows)][0], n // len(rows)), rows[n % len(rows)][1]) for n in range(n_texts)]
    return [each for each, _ in found], [domain for _, domain in found]


def turned(whole: str, places: int) -> str:
    words = whole.split(" ") if places else []
    return " ".join([*words[places % len(words) :], *words[: places % len(words)], str(places)]) if words else whole


def recorded() -> list[tuple[str, str]]:
    from switchpoint.learning.datasets import read

    folder = os.environ.get("SWITCHPOINT_DATA")
    sets = ("mmlu-gpt4-mixtral", "llmrouter-9models") if folder else ()
    found = [read(Path(str(folder)) / name, "all") for name in sets]
    return [(query.text, domain) for each in found for query, domain in zip(each.queries, each.domains, strict=True)]


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def line(what: str, seconds: float, beside: str = "") -> dict[str, str]:
    return {"what": what, "value": f"{seconds:.2f} s", "beside": beside}


if __name__ == "__main__":
    if "--one" in sys.argv:
        print(json.dumps(one(int(sys.argv[sys.argv.index("--one") + 1]), sparse="--sparse" in sys.argv)))
    else:
        for each in growth(LONG, SPARSE) if "--long" in sys.argv else measure():
            print(f"{each['what']:82} {each['value']:>10}   {each['beside']}", flush=True)
