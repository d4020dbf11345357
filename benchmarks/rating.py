"""What the ratings of a small model are worth: APGR with its interval, and the time of a rating.

    python -m benchmarks.rating FOLDER_OF_OUTCOMES [weak_ok|difficulty|tier] [N_QUERIES]

Needs the local model server (`make install-live`) and outcomes of two models. The examples of the prompt are fitted on
nothing, so any split may be measured; this measures `test`. The server remembers no prompt: every rating reads its own.
"""

from __future__ import annotations

import asyncio
import sys
import time

import numpy as np

from switchpoint.core.model import Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray
from switchpoint.demo.local_server import serving
from switchpoint.demo.options import MODEL
from switchpoint.evaluation.bootstrap import intervals
from switchpoint.evaluation.curve import Ranking
from switchpoint.evaluation.metrics import apgr
from switchpoint.learning.datasets import read_many
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from switchpoint.upstreams.rating import Rater


async def rated(outcomes: Outcomes, way: str, base_url: str) -> tuple[FloatArray, FloatArray]:
    """Ease and seconds of each query, one after the other; an ease that is missing is NaN."""
    upstream = OpenAICompatible("local", base_url)
    rater = Rater(Model(id=MODEL, upstream="local", upstream_model=MODEL), upstream, way, time_box_s=120.0)
    ease, seconds = [], []
    for query in outcomes.queries:
        before = time.perf_counter()
        ease.append((await rater(query)).signals.get(rater.signal, np.nan))
        seconds.append(time.perf_counter() - before)
    await upstream.close()
    return np.array(ease), np.array(seconds)


def order(name: str, gain: FloatArray, outcomes: Outcomes) -> None:
    weak, strong = np.argsort(outcomes.mean_quality(), kind="stable")
    ranking, quality = Ranking(gain), outcomes.quality
    found = intervals({"apgr": lambda w: apgr(ranking.curve(quality[:, weak], quality[:, strong], w))}, len(gain))
    print(f"{name:>12}  APGR {found['apgr'].value:.3f} [{found['apgr'].low:.3f}, {found['apgr'].high:.3f}]")


def main(folder: str, way: str = "weak_ok", n: str = "200") -> None:
    outcomes = read_many([folder], "test", None, print)
    outcomes = outcomes.take(range(min(int(n), len(outcomes))))
    with serving(threads=1) as base_url:
        ease, seconds = asyncio.run(rated(outcomes, way, base_url))
    missing = int(np.isnan(ease).sum())
    p50, p95 = 1e3 * np.percentile(seconds, [50, 95])
    print(f"{outcomes.name}: {len(ease)} queries, {missing} without a rating")
    print(f"{p50:.0f} ms a rating, 95 % under {p95:.0f} ms")
    order(way, 1.0 - np.nan_to_num(ease, nan=0.0), outcomes)  # without a rating: the strong model
    order("length", np.array([float(len(query.full_text)) for query in outcomes.queries]), outcomes)


if __name__ == "__main__":
    main(*sys.argv[1:])
