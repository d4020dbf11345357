"""Every router on every dataset: `python -m benchmarks.table DATA [ROUTER,…] [DATASET,…]`, a Markdown table for each.

Fitted on train, measured on test. Two models: APGR. More: quality gained over the best constant model, in points, at
the router's own operating point. Brackets are 95 % paired bootstrap intervals by query. It takes about an hour in all.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from pathlib import Path

import numpy as np

from switchpoint.core.errors import SwitchpointError
from switchpoint.core.outcome import Outcomes
from switchpoint.evaluation.bootstrap import Interval, difference
from switchpoint.evaluation.bout import bout_of
from switchpoint.learning.datasets import read, read_many, without_overlap
from switchpoint.learning.routers import ROUTERS, make_router, options

RESAMPLES = 300
TIMED = 100
HEAD = "| router | APGR | gain, points | quality | USD/1k | fit, CPU s | decide, µs |" + "\n" + 7 * "|---" + "|"
POOLED = ("open7b-arc", "open7b-cmmlu", "open7b-gsm8k", "open7b-humaneval", "open7b-mmlu")


def datasets(data: Path) -> dict[str, tuple[Path, ...]]:
    """Return every dataset of outcomes in a folder, and the five small-model ones pooled."""
    found = {path.name: (path,) for path in sorted(data.iterdir()) if (path / "outcomes.parquet").exists()}
    pooled = tuple(data / name for name in POOLED)
    return {**found, "open7b-pooled": pooled} if all(path.exists() for path in pooled) else found


def row(name: str, train: Outcomes, test: Outcomes) -> str:
    """Fit one router and write its line."""
    start = time.process_time()
    estimator = make_router(name, train, options(test.models, *_pair(train)))
    fit_s = time.process_time() - start
    bout = bout_of(estimator, test, train, probabilities=ROUTERS[name].probabilities)
    games, view = bout.games(), bout.view(RESAMPLES, 0)
    gain = difference(games["router"].quality, games["best_single"].quality, resamples=RESAMPLES)
    usd = games["router"].cost_usd.mean() * 1000
    figures = (
        "–" if view is None else _shown(view.apgr),
        _shown(Interval(*(100 * part for part in gain)), 2),
        f"{np.nanmean(games['router'].quality):.3f}",
        "–" if np.isnan(usd) else f"{usd:.3g}",
        f"{fit_s:.1f}",
        f"{_decide_us(estimator, test):.0f}",
    )
    return f"| {name} | {' | '.join(figures)} |"


def _pair(train: Outcomes) -> tuple[str, str] | tuple[()]:
    if len(train.models) != 2:
        return ()
    weak, strong = np.argsort(train.mean_quality(), kind="stable")
    return train.models[int(weak)], train.models[int(strong)]


def _decide_us(estimator, test: Outcomes) -> float:
    seconds = []
    for query in test.queries[:TIMED]:
        start = time.perf_counter()
        estimator.predict([query])
        seconds.append(time.perf_counter() - start)
    return 1e6 * float(np.median(seconds))


def _shown(figure: Interval, digits: int = 3) -> str:
    return f"{figure.value:.{digits}f} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def main(data: str, routers: str = "", wanted: str = "") -> None:
    chosen = routers.split(",") if routers else list(ROUTERS)
    for name, folders in datasets(Path(data)).items():
        if wanted and name not in wanted.split(","):
            continue
        test = read(folders[0], "test") if len(folders) == 1 else read_many(folders, "test")
        train = read(folders[0], "train") if len(folders) == 1 else read_many(folders, "train")
        train = without_overlap(train, test)[0].of(test.models)
        print(f"\n### {name}: {len(train)} train, {len(test)} test, {len(test.models)} models\n")
        print(HEAD)
        for router in chosen:
            try:
                print(row(router, train, test), flush=True)
            except SwitchpointError as error:
                print(f"| {router} | {str(error)[:80]} | | | | | |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
