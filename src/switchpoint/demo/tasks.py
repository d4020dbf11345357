"""The questions of the demo: where they come from, how they are split, and which answers are right."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from switchpoint.demo.kinds import KINDS, Kind

__all__ = ["Task", "normalised", "split", "tasks"]

OPENERS = ("", "", "", "Quick question. ", "Hi! ", "Please help me. ", "I need this for a quiz tonight. ")
MARKUP = re.compile(r"<[^<>]*>")
CARRIER = re.compile(r".*(?:=|:| is| are| was)\s+")
ARTICLE = re.compile(r"^(?:a|an|the|le|la|les|un|une|el|los|las|una)\s+|^l['’]")
EDGES = " \t.,;:!?*\"'“”‘’"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question with its accepted answers.

    answers : any of them is right; capitals, articles and final punctuation do not matter.
    """

    text: str
    kind: str
    answers: tuple[str, ...]

    @property
    def query_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def accepts(self, response: str) -> bool:
        """Whether the last line of a response is one of the answers, or a sentence that ends in one."""
        line = normalised(MARKUP.sub("", response))
        right = {_bare(answer) for answer in self.answers}
        return _bare(line) in right or _bare(CARRIER.sub("", line)) in right


def normalised(response: str) -> str:
    """The last non-empty line, casefolded, without spaces, quotes and punctuation around it."""
    lines = [line for line in response.splitlines() if line.strip()]
    return lines[-1].casefold().strip(EDGES) if lines else ""


@cache
def tasks() -> tuple[Task, ...]:
    """All tasks, kind by kind, always the same."""
    return tuple(task for kind in KINDS for task in _worded(kind))


def split(all_tasks: Sequence[Task]) -> dict[str, str]:
    """`train` or `test` by query id: every second task of a kind in the order of the ids."""
    ordered = sorted(all_tasks, key=lambda task: (task.kind, task.query_id))
    return {task.query_id: ("train", "test")[place % 2] for place, task in enumerate(ordered)}


def _worded(kind: Kind) -> list[Task]:
    random = Random(f"wording of {kind.name}")
    return [
        Task(
            text=random.choice(OPENERS) + random.choice(kind.phrasings).format(x=x),
            kind=kind.name,
            answers=answers,
        )
        for x, answers in kind.items
    ]


def _bare(response: str) -> str:
    return ARTICLE.sub("", normalised(response)).strip(EDGES)
