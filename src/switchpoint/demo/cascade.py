"""Cascades over two real upstreams: `python -m switchpoint.demo.cascade`.

Two servers of the local model answer as if they were two vendors: one asked cheaply, one with many examples before the
question. Three cascades of one configuration choose between them, by log-probabilities of the answer, of its beginning,
and by agreement; the official client asks every question of each of them and of both models alone, streamed and whole.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.core.attempt import Answer
from switchpoint.core.query import FloatArray, Query
from switchpoint.core.record import Record
from switchpoint.demo.configuration import DATA, served, toml
from switchpoint.demo.grading import Checked
from switchpoint.demo.local_server import serving as serving_model
from switchpoint.demo.options import OPTIONS, UPSTREAMS
from switchpoint.demo.report import Arm
from switchpoint.demo.traffic import Reply, send
from switchpoint.evaluation.bootstrap import Interval, Statistic, intervals, mean_of
from switchpoint.gateway.serve import serving
from switchpoint.learning.datasets import read
from switchpoint.records.reader import RecordReader
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from switchpoint.verifiers.plain import confidence

CHEAP, SECOND, STRONG = "plain", "few-shot", "few-shot-words"
WHOLE, BEGINNING, AGREEMENT = "sure", "early", "agreed"
CASCADES = (WHOLE, BEGINNING, AGREEMENT)

PREFIX_TOKENS = 1
"""The model's answers are three to six tokens long: there is no more of a beginning to look at."""

LOGPROBS: Mapping[str, Any] = {"logprobs": True}
QUERIES, TUNING_QUERIES = 40, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Scores from which an answer of the cheap model is taken: of a whole one, and of its beginning; in [0, 1]."""

    whole: float
    beginning: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one way of serving came to, with intervals.

    strong_share : of queries for which the strong model was called. usd : per 1,000 queries, every call counted.
    above_mix : quality above that of a blind mix of the two models alone which costs as much.
    """

    name: str
    quality: Interval
    usd: Interval
    strong_share: Interval
    above_mix: Interval


def configuration(first: str, second: str, thresholds: Thresholds) -> dict[str, Any]:
    """Return a whole configuration over two servers of the model, by their base URLs."""
    sections = served(first)
    sections["upstreams"][UPSTREAMS[1]] = {"base_url": second}
    chain = {"models": [CHEAP, STRONG], "verifier": "confidence"}
    return sections | {
        "cascades": {
            WHOLE: {"kind": "threshold", **chain, "threshold": thresholds.whole},
            BEGINNING: {
                "kind": "prefix",
                **chain,
                "threshold": thresholds.beginning,
                "prefix_tokens": PREFIX_TOKENS,
            },
            AGREEMENT: {"kind": "agreement", "voters": [CHEAP, SECOND], "final": STRONG},
        },
        "engine": {"default_model": STRONG, "baseline_model": STRONG},
        "records": {"path": "records.sqlite"},
        "gateway": {"auto": WHOLE},
    }


async def tuned(base_url: str, queries: Sequence[Query]) -> Thresholds:
    """Ask the cheap model these training queries; return the thresholds that half of its answers pass.

    An answer without a token has no confidence and counts as the least sure.
    """
    option = next(option for option in OPTIONS if option.id == CHEAP)
    upstream = OpenAICompatible(UPSTREAMS[0], base_url)
    try:
        answers = [await upstream.complete(option, _with_logprobs(query)) for query in queries]
    finally:
        await upstream.close()
    scores = [[await _sureness(answer, end) for end in (None, PREFIX_TOKENS)] for answer in answers]
    whole, beginning = np.median(np.nan_to_num(np.array(scores)), axis=0).round(4).tolist()
    return Thresholds(whole=whole, beginning=beginning)


async def asked(address: str, queries: Sequence[Query], routes: Sequence[str]) -> dict[str, list[Reply]]:
    """Ask every query of every route in turn, streamed and then whole, one request at a time.

    The routes of a query follow each other, so that a slow minute of the machine falls on all of them.
    """
    replies: dict[str, list[Reply]] = {route: [] for route in routes}
    for query in queries:
        for route in routes:
            # Of what is sent together the first is streamed and the next is not.
            replies[route] += await send(address, [query, query], route, at_once=1)
    return replies


def rows(replies: Mapping[str, Sequence[Reply]], records: Mapping[str, Record]) -> list[Row]:
    """Return what every route came to; the replies are to the same queries in the same order.

    A route that is not one of the two models alone is compared with the blind mix of them.
    """
    grader = Checked()
    arms = {name: Arm.of(name, given, records, grader) for name, given in replies.items()}
    strong = {name: _strong(given, records) for name, given in replies.items()}
    return [_row(arm, strong[name], arms[CHEAP], arms[STRONG]) for name, arm in arms.items()]


def _row(arm: Arm, strong: FloatArray, cheap: Arm, dear: Arm) -> Row:
    statistics: dict[str, Statistic] = {
        "quality": mean_of(arm.quality),
        "usd": mean_of(1000 * arm.cost_usd),
        "strong_share": mean_of(strong),
        "above_mix": above_mix(arm, cheap, dear),
    }
    return Row(name=arm.name, **intervals(statistics, len(arm.quality)))


def above_mix(arm: Arm, cheap: Arm, dear: Arm) -> Statistic:
    """Return the statistic "quality minus that of the blind mix of the same cost"; beyond both ends, of the nearer."""
    quality, weak, strong = (mean_of(each.quality) for each in (arm, cheap, dear))
    cost, low, high = (mean_of(each.cost_usd) for each in (arm, cheap, dear))

    def gained(drawn: FloatArray) -> FloatArray:
        share = np.clip((cost(drawn) - low(drawn)) / (high(drawn) - low(drawn)), 0.0, 1.0)
        above: FloatArray = quality(drawn) - (1 - share) * weak(drawn) - share * strong(drawn)
        return above

    return gained


def _strong(replies: Sequence[Reply], records: Mapping[str, Record]) -> FloatArray:
    called = ({attempt.decision.model for attempt in records[reply.record].attempts} for reply in replies)
    return np.array([float(STRONG in models) for models in called])


def _with_logprobs(query: Query) -> Query:
    return Query(id=query.id, messages=query.messages, parameters=LOGPROBS)


async def _sureness(answer: Answer, tokens: int | None) -> float:
    beginning = Answer(text=answer.text, logprobs=answer.logprobs[:tokens], body=answer.body)
    return (await confidence(Query.of(""), beginning)).score


@contextmanager
def gateway(config: Path) -> Iterator[tuple[str, Switchpoint]]:
    """Serve a configuration while the block runs; gives the address."""
    with Switchpoint.load(config) as switchpoint, serving(switchpoint.app()) as address:
        yield address, switchpoint


def run(out: Path, *, limit: int = QUERIES, tuning: int = TUNING_QUERIES) -> dict[str, list[Reply]]:
    """Start both servers, tune, write the configuration and the records into `out`, and ask.

    Raises ConfigError if the model server is not installed.
    """
    train, test = (sorted(read(DATA, split).queries, key=lambda query: query.draw) for split in ("train", "test"))
    out.mkdir(parents=True, exist_ok=True)
    config = out / "switchpoint.toml"
    with serving_model(threads=1) as first, serving_model(threads=1) as second:
        thresholds = asyncio.run(tuned(first, train[:tuning]))
        config.write_text(toml(configuration(first, second, thresholds)))
        with gateway(config) as (address, _):
            return asyncio.run(asked(address, test[:limit], (CHEAP, STRONG, *CASCADES)))


def table(found: Sequence[Row]) -> str:
    """Write the rows as a table in Markdown."""
    lines = [
        "| served by | quality | USD per 1,000 | strong called | above the blind mix of the same cost |",
        "|---|---|---|---|---|",
    ]
    for row in found:
        figures = (_told(row.quality, 3), _told(row.usd, 4), f"{row.strong_share.value:.0%}", _told(row.above_mix, 3))
        lines.append(f"| {row.name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _told(figure: Interval, digits: int) -> str:
    value, low, high = (f"{number:.{digits}f}" for number in figure)
    return f"{value} [{low}, {high}]"


def main() -> None:
    """Read the command line, run, and print a table for streamed and one for whole answers."""
    parser = argparse.ArgumentParser(prog="python -m switchpoint.demo.cascade", description="Cascades on a real model.")
    parser.add_argument("--out", type=Path, default=Path("cascade-output"), help="folder of configuration and records")
    parser.add_argument("--limit", type=int, default=QUERIES, help=f"test queries to send (default: {QUERIES})")
    arguments = parser.parse_args()
    replies = run(arguments.out, limit=arguments.limit)
    records = {record.id: record for record in RecordReader(arguments.out / "records.sqlite").all()}
    for way, streamed in (("Streamed", True), ("Whole", False)):
        chosen = {name: [reply for reply in given if reply.streamed is streamed] for name, given in replies.items()}
        sys.stdout.write(f"{way}, {arguments.limit} queries:\n\n{table(rows(chosen, records))}\n\n")


if __name__ == "__main__":
    main()
