"""Threat 1, measured: words that make a router choose the strong model, whatever they stand beside.

Source: "Rerouting LLM Routers" (Shafran et al. 2025, arXiv 2501.01818): hill-climbing over a short prefix that does not
depend on the query. Differs: whole words of the router's own vocabulary; four proposals a step; they may be split
around the query, which is how a reader of several crops of a text is met.

    python -m tests.security.gadgets FOLDER...      # each with a queries.parquet: split, text
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from switchpoint.core.query import Query
from switchpoint.estimators.bundled import Bundled

Gap = Callable[[Sequence[str]], npt.NDArray[np.floating]]
"""How much better the strong model is said to be, of each text."""

WORDS, STEPS, PROPOSALS = 10, 300, 4
STEEPNESS = 40.0


def gap_of(router: Bundled) -> Gap:
    value = [ability.value for ability in router.abilities_]
    strong, weak = int(np.argmax(value)), int(np.argmin(value))

    def gap(texts: Sequence[str]) -> npt.NDArray[np.floating]:
        quality = router.predict([Query.of(text) for text in texts]).mean
        return quality[:, strong] - quality[:, weak]

    return gap


def least_of_crops(gap: Gap) -> Gap:
    """The control that was tried: the least gap of the whole text and of each of its halves."""

    def least(texts: Sequence[str]) -> npt.NDArray[np.floating]:
        crops = [crop for text in texts for crop in _crops(text)]
        return np.min(gap(crops).reshape(len(texts), 3), axis=1)

    return least


def _crops(text: str) -> tuple[str, str, str]:
    words = text.split(" ")
    half = max(1, len(words) // 2)
    return text, " ".join(words[:half]), " ".join(words[half:]) or text


def before(text: str, gadget: Sequence[str]) -> str:
    return f"{' '.join(gadget)} {text}"


def around(text: str, gadget: Sequence[str]) -> str:
    half = len(gadget) // 2
    return f"{' '.join(gadget[:half])} {text} {' '.join(gadget[half:])}"


def climb(
    gap: Gap,
    threshold: float,
    texts: Sequence[str],
    words: Sequence[str],
    place: Callable[[str, Sequence[str]], str] = before,
    steps: int = STEPS,
) -> list[str]:
    """Return ten words that lift as many of the texts as it can find over the threshold."""
    random = Random(0)

    def lifted(gadget: Sequence[str]) -> float:
        distance = gap([place(text, gadget) for text in texts]) - threshold
        return float(np.mean(1 / (1 + np.exp(-STEEPNESS * distance))))

    best = random.choices(words, k=WORDS)
    reached = lifted(best)
    for step in range(steps * PROPOSALS):
        tried = list(best)
        tried[step // PROPOSALS % WORDS] = random.choice(words)
        if (now := lifted(tried)) > reached:
            best, reached = tried, now
    return best


def vocabulary(router: Bundled) -> list[str]:
    words = router.knowledge.embedder.tokenizer.dump().decode().split("\n")
    return [word for word in words if word.isalpha() and len(word) > 2]


def share(gap: Gap, threshold: float, texts: Sequence[str]) -> float:
    """Share of the texts that go to the strong model."""
    return float(np.mean(gap(texts) > threshold))


def measured(folder: Path, router: Bundled) -> list[tuple[str, str, float, float, float]]:
    """Return control, place, and the shares of strong choices: clean, beside random words, under attack.

    The words are sought on 60 prompts of the training split, the threshold is the median of 1,000 others of it, and the
    shares are of 400 prompts of the test split.
    """
    import pyarrow.parquet as parquet

    rows = parquet.read_table(folder / "queries.parquet").select(["split", "text"]).to_pylist()
    random, words = Random(1), vocabulary(router)
    train, test = ([row["text"] for row in rows if row["split"] == split] for split in ("train", "test"))
    random.shuffle(train)
    random.shuffle(test)
    found = []
    for control, gap in (("none", gap_of(router)), ("least of 3 crops", least_of_crops(gap_of(router)))):
        threshold = float(np.median(gap(train[60:1060])))
        noise = random.choices(words, k=WORDS)
        for name, place in (("before", before), ("around", around)):
            gadget = climb(gap, threshold, train[:60], words, place)
            texts = (test[:400], [place(text, noise) for text in test[:400]], [place(t, gadget) for t in test[:400]])
            clean, beside, under = (share(gap, threshold, each) for each in texts)
            found.append((control, name, clean, beside, under))
    return found


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        for row in measured(Path(argument), Bundled.load()):
            print(Path(argument).name, "| {} | {} | {:.1%} | {:.1%} | {:.1%}".format(*row))  # noqa: T201
