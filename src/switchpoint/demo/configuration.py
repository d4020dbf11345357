"""Sections of the demo's configuration: recorded models, or the real ones behind a local server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from switchpoint.core.model import Model
from switchpoint.demo.options import OPTIONS, UPSTREAMS
from switchpoint.learning.datasets import read

DATA = Path(__file__).parent / "recording"

Sections = dict[str, dict[str, Any]]


def recorded() -> Sections:
    """Return a whole configuration over the recording: what `serve` starts with when nothing else is at hand."""
    return replayed(DATA, [option.id for option in OPTIONS])


def replayed(data: Path, models: Sequence[str]) -> Sections:
    """Return upstreams and models that answer what was recorded of them; half of the models behind each."""
    return {
        "upstreams": {name: {"kind": "replay", "data": str(data.absolute())} for name in UPSTREAMS},
        "models": {model: {"upstream": UPSTREAMS[i * 2 // len(models)]} for i, model in enumerate(models)},
    }


def served(base_url: str) -> Sections:
    """Return upstreams and models over a server of the real model, paid by the second."""
    return {
        "upstreams": {name: {"base_url": base_url} for name in UPSTREAMS},
        "models": {option.id: _section(option) for option in OPTIONS},
    }


def _section(option: Model) -> dict[str, Any]:
    return {
        "upstream": option.upstream,
        "upstream_model": option.upstream_model,
        "parameters": dict(option.parameters),
        "preamble": [dict(message) for message in option.preamble],
        "usd_per_hour": float(option.usd_per_hour or 0),
        "can": sorted(option.can or ()),
    }


def copied(data: Path, folder: Path) -> Path:
    """Write a dataset as JSON lines, which the replay upstream reads; returns the folder.

    Responses are not copied: the replayed answers are empty texts with recorded scores and costs.
    """
    outcomes = read(data)
    folder.mkdir(parents=True, exist_ok=True)
    queries = [{"query_id": q.id, "text": q.full_text} for q in outcomes.queries]
    cells = [
        {"query_id": query.id, "model": model, "score": _number(quality), "cost_usd": _number(cost)}
        for query, qualities, costs in zip(outcomes.queries, outcomes.quality, outcomes.cost_usd, strict=True)
        for model, quality, cost in zip(outcomes.models, qualities, costs, strict=True)
    ]
    for name, rows in (("queries", queries), ("outcomes", cells)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def toml(configuration: Mapping[str, Any]) -> str:
    """Write a configuration as TOML: sections, and tables of plain values in them."""
    lines: list[str] = []
    for section, content in configuration.items():
        flat = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
        tables = {f"{section}.{json.dumps(key)}": value for key, value in content.items() if isinstance(value, Mapping)}
        for name, values in (({section: flat} if flat else {}) | tables).items():
            lines += [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)


def _value(value: object) -> str:
    """Write a value; JSON is TOML but for mappings and infinity."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return "inf" if value == float("inf") else json.dumps(value)
