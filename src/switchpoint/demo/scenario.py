"""Scenarios: the recording, a dataset of one's own, or the real model, each with its remarks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.demo.configuration import DATA, replayed
from switchpoint.demo.grading import Checked, Grader, Recorded
from switchpoint.demo.run import Result, run
from switchpoint.demo.setup import Say, Setup, candidates, prepare
from switchpoint.demo.traffic import AT_ONCE
from switchpoint.evaluation.plot import plot
from switchpoint.learning.assess import assess

LIVE_QUERIES = 30
"""The real model takes seconds for what the recording answers at once."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that the demo's traffic needs.

    singles : models that are also asked everything alone. queries : what is sent unless limited.
    remarks : what a reader must know about the figures.
    """

    data: Path
    setup: Setup
    grader: Grader
    singles: Sequence[str]
    queries: Sequence[Query]
    at_once: int = AT_ONCE
    remarks: list[str] = field(default_factory=list)

    def run(self, queries: Sequence[Query], done: Callable[[], None]) -> Result:
        """Send the traffic."""
        return run(self.setup, queries, self.grader, singles=self.singles, at_once=self.at_once, done=done)

    def draw(self, path: Path) -> Path:
        """Draw the router's curve on the whole test split of the recording, beside its baselines."""
        plot(assess("default", test=self.data, train=[self.data], models=self.setup.models, say=lambda _: None), path)
        return path


@contextmanager
def recorded(data: Path | None, out: Path, say: Say) -> Iterator[Scenario]:
    """Replay a dataset: by default the recording that ships with the package."""
    from switchpoint.demo.configuration import copied

    source = data or DATA
    names = candidates(source)
    answers = source if (source / "outcomes.jsonl").exists() else copied(source, out / "answers")
    sections = replayed(answers, names)
    setup = prepare(source, out, sections["upstreams"], sections["models"], say)
    remarks = _about_recording(source) if data is None else []
    remarks.append(
        "Answers are replayed, so the times are those of the recording, and the gateway's own is not in them."
    )
    yield Scenario(
        data=source,
        setup=setup,
        grader=Recorded(source, setup.test),
        singles=setup.models,
        queries=_mixed(setup.test),
        remarks=remarks,
    )


@contextmanager
def live(out: Path, say: Say) -> Iterator[Scenario]:
    """Ask the real local model, started for this and ended after it."""
    from switchpoint.demo.configuration import served
    from switchpoint.demo.local_server import serving

    with serving() as base_url:
        sections = served(base_url)
        setup = prepare(DATA, out, sections["upstreams"], sections["models"], say)
        yield Scenario(
            data=DATA,
            setup=setup,
            grader=Checked(),
            singles=setup.models,
            queries=_mixed(setup.test)[:LIVE_QUERIES],
            at_once=1,
            remarks=["Answers come from the real model; the router learned from the recording of the same model."],
        )


def _mixed(outcomes: Outcomes) -> list[Query]:
    """Return the queries in an order that has nothing to do with their kinds, so that the first few are like all."""
    return sorted(outcomes.queries, key=lambda query: query.draw)


def _about_recording(data: Path) -> list[str]:
    made = json.loads((data / "recording.json").read_text())
    return [
        f"Recorded on {made['date']}: {made['model']} on {made['cpu']}, {made['threads']} threads, "
        f"machine time at {made['usd_per_hour']} USD an hour. What this does not show: switchpoint/demo/README.md."
    ]
