"""A prediction by a fine-tuned encoder, in int8 and in float32, beside the trained default router; one thread.

Time does not depend on what was learned, so the encoder is all-MiniLM-L6-v2 as its wheel has it, with a head for two
models; all three are calibrated on the same made-up outcomes and asked the same texts, in turns. Needs the wheel and
`[encoder]`, and onnx to write the graph; not torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.decision import fresh, text
from benchmarks.timing import in_turns, ms
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators.bert import BertFiles
from switchpoint.estimators.encoder import Encoder, Scorer
from switchpoint.estimators.heads import TextHeads
from switchpoint.learning.encoder_graph import graph_of, quantize

ROUNDS = 100
MODELS = ("weak", "strong")


def measure() -> list[dict[str, str]]:
    files, outcomes = BertFiles.installed(), made_up()
    random = np.random.default_rng(0)
    head = {"head.weight": random.standard_normal((2, 384)), "head.bias": np.zeros(2)}
    weights = {**files.weights, **{name: array.astype(np.float32) for name, array in head.items()}}
    graphs = {"float32": graph_of(weights, files.heads)}
    graphs["int8"] = quantize(graphs["float32"])
    found = {name: Encoder(Scorer(graph, files.vocabulary), MODELS).fit(outcomes) for name, graph in graphs.items()}
    found["default"] = TextHeads().fit(outcomes)
    sizes = ", ".join(f"{name} {len(graph) / 1e6:.0f} MB" for name, graph in graphs.items())
    return [line for n_tokens in (60, 250) for line in compared(found, n_tokens, sizes)]


def compared(estimators: dict, n_tokens: int, sizes: str) -> list[dict[str, str]]:
    asked = {name: fresh(n_tokens, ROUNDS) for name in estimators}
    work = {name: (lambda e=e, ask=asked[name]: e.predict([ask()])) for name, e in estimators.items()}
    p50 = {name: float(np.median(seconds)) for name, seconds in in_turns(work, ROUNDS).items()}
    beside = f"float32 {ms(p50['float32'])}, default router {ms(p50['default'])} ({sizes})"
    return [{"what": f"a prediction on {n_tokens} tokens, int8, p50", "value": ms(p50["int8"]), "beside": beside}]


def made_up(n: int = 64) -> Outcomes:
    """Outcomes that are noise: what is learned from them takes as long as anything else."""
    return Outcomes(
        queries=tuple(Query.of(text(40, seed)) for seed in range(n)),
        models=MODELS,
        quality=np.random.default_rng(0).integers(0, 2, (n, 2)).astype(float),
        cost_usd=np.full((n, 2), np.nan),
        domains=("made up",) * n,
    )
