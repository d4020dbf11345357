"""How well the cost of an answer is predicted before it is written, on queries that nothing was fitted to.

No recorded dataset here counts tokens. Where the source kept the answers, their length in bytes stands in for it, at
four bytes a token. The outcomes lie in the folder that SWITCHPOINT_DATA names; without it nothing is measured.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from switchpoint.core.model import Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import TOKENS_PER_BYTE
from switchpoint.estimators.cost import ListPriceCost, TokenCost
from switchpoint.estimators.mean import MeanCost
from switchpoint.estimators.tokens import OutputTokens
from switchpoint.evaluation.bootstrap import Interval, intervals
from switchpoint.learning import datasets

ANSWERED = ("alpacaeval2", "gsm8k-gpt4-mixtral", "gsm8k-openai2021")
BILLED = ("routerbench-arc", "routerbench-winogrande")
PRICES = {
    "WizardLM/WizardLM-13B-V1.2": ("0.3", "0.3"),
    "claude-instant-v1": ("0.8", "2.4"),
    "claude-v1": ("8", "24"),
    "claude-v2": ("8", "24"),
    "gpt-3.5-turbo-1106": ("1", "2"),
    "gpt-4-1106-preview": ("10", "30"),
    "meta/code-llama-instruct-34b-chat": ("0.776", "0.776"),
    "meta/llama-2-70b-chat": ("0.9", "0.9"),
    "mistralai/mistral-7b-chat": ("0.2", "0.2"),
    "mistralai/mixtral-8x7b-chat": ("0.6", "0.6"),
    "zero-one-ai/Yi-34B-Chat": ("0.8", "0.8"),
}
"""Input and output in USD per million tokens, as the bills of the source imply."""


def measure() -> list[dict[str, str]]:
    folder = os.environ.get("SWITCHPOINT_DATA")
    if folder is None:
        return [{"what": "predicted cost", "value": "-", "beside": "SWITCHPOINT_DATA names no recorded outcomes"}]
    lengths = [length(Path(folder) / name) for name in (*ANSWERED, *BILLED)]
    return [*lengths, *(line for name in BILLED for line in bill(Path(folder) / name))]


def read(folder: Path, split: str) -> Outcomes:
    outcomes = datasets.read(folder, split)
    texts = {(each.query_id, each.model): each.text for each in datasets.responses(folder)}
    tokens = [[counted(texts.get((query.id, model))) for model in outcomes.models] for query in outcomes.queries]
    return replace(outcomes, output_tokens=np.array(tokens))


def counted(text: str | None) -> float:
    return np.nan if text is None else max(1.0, len(text.encode("utf-8", "replace")) * TOKENS_PER_BYTE)


def length(folder: Path) -> dict[str, str]:
    """Error of predicted output tokens beside that of each model's mean."""
    train, test = read(folder, "train"), read(folder, "test")
    predicted = OutputTokens().fit(train).predict(test.queries).mean
    mean = np.nanmean(train.output_tokens, axis=0)
    ratio = compared(predicted - test.output_tokens, mean - test.output_tokens, test.output_tokens)
    return {
        "what": f"{folder.name}: output tokens, error over that of the mean",
        "value": f"{ratio['ratio'].value:.3f}",
        "beside": f"[{ratio['ratio'].low:.3f}, {ratio['ratio'].high:.3f}], error {shares(ratio)} of the tokens",
    }


def bill(folder: Path) -> list[dict[str, str]]:
    """Error of the predicted bill beside that of the mean bill and of the list price."""
    train, test = read(folder, "train"), read(folder, "test")
    models = [priced(name) for name in train.models]
    predicted = TokenCost(models).fit(train).predict(test.queries).mean
    others = {
        "the mean bill": MeanCost().fit(train).predict(test.queries).mean,
        "the list price": ListPriceCost(models).predict(test.queries).mean,
    }
    lines = []
    for name, other in others.items():
        ratio = compared(predicted - test.cost_usd, other - test.cost_usd, test.cost_usd)
        lines.append(
            {
                "what": f"{folder.name}: predicted bill, error over that of {name}",
                "value": f"{ratio['ratio'].value:.3f}",
                "beside": f"[{ratio['ratio'].low:.3f}, {ratio['ratio'].high:.3f}], error {shares(ratio)} of the bill",
            }
        )
    return lines


def priced(name: str) -> Model:
    given, taken = (Decimal(price) for price in PRICES[name])
    return Model(id=name, upstream="u", upstream_model=name, input_usd_per_mtok=given, output_usd_per_mtok=taken)


def compared(ours: np.ndarray, theirs: np.ndarray, true: np.ndarray) -> dict[str, Interval]:
    """Absolute errors as shares of what was true, every model counting the same, and their ratio; over queries."""
    scale = np.nanmean(true, axis=0)
    a, b = (np.nansum(np.abs(errors) / scale, axis=1) for errors in (ours, theirs))
    n = (~np.isnan(true)).sum(axis=1)
    statistics = {
        "ratio": lambda drawn: drawn @ a / (drawn @ b),
        "ours": lambda drawn: drawn @ a / (drawn @ n),
        "theirs": lambda drawn: drawn @ b / (drawn @ n),
    }
    return intervals(statistics, len(true))


def shares(found: dict[str, Interval]) -> str:
    return f"{100 * found['ours'].value:.1f} % against {100 * found['theirs'].value:.1f} %"
