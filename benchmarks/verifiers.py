"""Learned verifiers on recorded answers: `python -m benchmarks.verifiers DATA`, with 95 % bootstrap intervals.

Is Mixtral's answer to a GSM8K question right? Fitted on train, everything chosen by cross-validation there, measured on
test, where the lower half is deferred to GPT-4. "Others" are the train answers of four systems of 2021 to the same
kind of questions, none of them in the test; "agrees" adds a bit: does that system, asked too, come to the same number.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from switchpoint.evaluation.bootstrap import Interval
from switchpoint.learning.datasets import normalised_text, read, without_overlap
from switchpoint.learning.verifiers import Figures, Rows, auroc_of, bag_of_words, figures, question_only
from switchpoint.verifiers import features
from switchpoint.verifiers.learned import Learned

PAIR, OTHERS = "gsm8k-gpt4-mixtral", "gsm8k-openai2021"
WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
LABELS, DRAWS = (30, 60, 120, 240, 434), 4
PUBLISHED = {"question only": ".60", "bag of words": ".63", "own answers": ".776", "and others'": ".784"}
"""AUROC of recipes published for these very rows."""


class World:
    """Train and test answers of the weak model, and those of the other systems to the same questions."""

    def __init__(self, data: Path) -> None:
        train, self.test = (read(data / PAIR, split, answers=True) for split in ("train", "test"))
        every = read(data / OTHERS, answers=True)
        self.known, self.shown = (Rows.of(each.of([WEAK])) for each in (train, self.test))
        others, _ = without_overlap(read(data / OTHERS, "train", answers=True), self.test)
        self.others = Rows.of(others)
        self.systems = every.models
        self._answer = {
            normalised_text(q.full_text): row for q, row in zip(every.queries, every.responses, strict=True)
        }
        self.strong = self.test.quality[:, self.test.column(STRONG)]

    def opinions(self, rows: Rows, systems: Iterable[str], more: int = 0) -> dict[str, list[str | None]]:
        """Return what systems answered to the same questions, and nothing for `more` rows after these."""
        found = [self._answer[normalised_text(text)] for text in rows.query_texts]
        return {name: [*(row[self.systems.index(name)] for row in found), *[None] * more] for name in systems}

    def fit(self, own: np.ndarray | slice, pooled: bool, systems: Iterable[str] = (), seed: int = 0) -> Learned:
        """Fit on some of the weak model's rows, and on the others' where pooled."""
        known = [np.array(part, dtype=object)[own].tolist() for part in self.known[:3]]
        right = self.known.right[own]
        others = self.opinions(Rows(*known, right, self.known.query[own]), systems, len(self.others.right) * pooled)
        if pooled:
            known = [[*mine, *theirs] for mine, theirs in zip(known, self.others[:3], strict=True)]
            right = np.concatenate([right, self.others.right])
        return Learned(model=WEAK, seed=seed).fit(*known, right, others=others)

    def score(self, verifier: Learned, systems: Iterable[str] = ()) -> np.ndarray:
        return verifier.score(*self.shown[:3], self.opinions(self.shown, systems))

    def figures(self, score: np.ndarray) -> Figures:
        return figures(score, self.shown.right, self.strong)


def measure() -> list[dict[str, str]]:
    """Return all lines; without recorded answers only how long the features take."""
    folder = os.environ.get("SWITCHPOINT_DATA")
    return [timing(), *(table(World(Path(folder))) if folder else ())]


def main(data: Path) -> None:
    """Print each line when it is found: all of them take minutes."""
    print_line(timing())
    for each in table(World(data)):
        print_line(each)


def print_line(each: dict[str, str]) -> None:
    print(f"{each['what']:66} {each['value']:>22}  {each.get('beside', '')}", flush=True)


def table(world: World) -> Iterable[dict[str, str]]:
    """Yield every verifier's figures, then what few labels give."""
    yield line("question only", world.figures(question_only(world.known, world.shown)))
    yield line("bag of words", world.figures(bag_of_words(world.known, world.shown)))
    yield line("own answers", world.figures(world.score(world.fit(slice(None), False))))
    yield line("and others'", world.figures(world.score(world.fit(slice(None), True))))
    yield line("others' alone, met without labels", world.figures(unlabelled(world)))
    for systems in (*((name,) for name in world.systems), world.systems):
        found = world.score(world.fit(slice(None), True, systems), systems)
        yield line(f"and others', agrees: {', '.join(systems)}", world.figures(found))
    yield from curve(world)


def unlabelled(world: World) -> np.ndarray:
    """Score by a verifier that has seen the weak model's training answers, and none of their labels."""
    verifier = Learned().fit(*world.others[:3], world.others.right)
    return world.score(verifier.meet(WEAK, *world.known[:2]))


def curve(world: World) -> Iterable[dict[str, str]]:
    """Yield the mean AUROC over draws of so many labels, with others' answers and without."""
    for n_labels in LABELS:
        draws = DRAWS if n_labels < len(world.known.right) else 1
        found = []
        for seed in range(draws):
            rows = np.random.default_rng(seed).permutation(len(world.known.right))[:n_labels]
            scores = [world.score(world.fit(rows, pooled, seed=seed)) for pooled in (False, True)]
            once = np.ones((1, len(world.shown.right)))
            found.append([auroc_of(score, world.shown.right)(once)[0] for score in scores])
        own, pooled = np.mean(found, axis=0)
        what = f"{n_labels} labels, mean AUROC of {draws} draws"
        yield {"what": what, "value": f"{own:.3f}", "beside": f"with others' answers {pooled:.3f}"}


def line(what: str, found: Figures) -> dict[str, str]:
    """Write one verifier's figures."""
    beside = f"half deferred {shown(found.half)}, APGR {shown(found.apgr)}"
    published = f"; published {PUBLISHED[what]}" if what in PUBLISHED else ""
    return {"what": f"{what}, AUROC", "value": shown(found.auroc), "beside": beside + published}


def shown(found: Interval) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def timing() -> dict[str, str]:
    """Time the features of a worked answer of five equations."""
    question = "A shop sells 12 pens at $3 each and 7 books at $11. How much does it take in a week of 6 days?"
    answer = "\n".join(f"On day {i} it takes 12 * {i} = <<12*{i}={12 * i}>>{12 * i} dollars." for i in range(1, 6))
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(50):
            features.features(question, answer)
        best = min(best, (time.perf_counter() - start) / 50)
    return {"what": f"features of an answer of {len(answer)} characters", "value": f"{1e6 * best:.0f} µs"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
