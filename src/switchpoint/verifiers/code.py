"""The Python of an answer: does it parse, and does it pass tests."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.errors import DataError
from switchpoint.core.protocols import Verifier
from switchpoint.core.query import Query, text_id
from switchpoint.verifiers.faults import verdict
from switchpoint.verifiers.sandbox import Sandbox

READ_CHARS = 100_000
MAX_TESTS = 50
PYTHON = ("python", "python3", "py", "")

Tests = Callable[[Query], Sequence[str]]
"""The tests of a query: each a piece of Python that raises where the answer's code is wrong; none where unknown."""

_FENCE = re.compile(r"^[ \t]*```[ \t]*+(\w*+)[^\n]*+\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)


async def code(query: Query, answer: Answer) -> Verdict:
    """Score 1 if the answer's Python parses, 0 if it does not, or there is none. Nothing is run. Free."""
    return verdict(code_fault(answer.text))


def code_check(tests: Tests, sandbox: Sandbox) -> Verifier:
    """Make a verifier that scores the share of a query's tests that the answer's Python passes, at most 50 of them.

    Each test runs after the code in a sandbox of its own. 0 without running anything where the code does not parse; NaN
    where a query has no tests. Call `await sandbox.check()` before: it refuses a machine that cannot set it up.
    """

    async def check(query: Query, answer: Answer) -> Verdict:
        fault, asked = code_fault(answer.text), tests(query)[:MAX_TESTS]
        if fault is not None:
            return verdict(fault)
        if not asked:
            return Verdict(score=math.nan, detail="no tests are known for this query")
        program = python_of(answer.text)
        passed = [await sandbox.passes(f"{program}\n\n{test}\n") for test in asked]
        failed = len(asked) - sum(passed)
        return Verdict(
            score=sum(passed) / len(asked), detail=f"{failed} of {len(asked)} tests failed" if failed else None
        )

    return check


def code_fault(text: str) -> str | None:
    """Say what is wrong with the Python of a text without running it."""
    program = python_of(text)
    if not program.strip():
        return "no code"
    return None if _parses(program) else "code that does not parse"


def python_of(text: str) -> str:
    """Return the Python of a text: its fenced blocks joined, or the whole where there is no fence."""
    text = text[:READ_CHARS]
    blocks = [match[2] for match in _FENCE.finditer(text) if match[1].casefold() in PYTHON]
    return "\n".join(blocks) if "```" in text else text


def read_tests(path: Path) -> Tests:
    """Read the tests of queries: lines of JSON, `{"query": "the prompt", "tests": ["assert f(1) == 2"]}`.

    A query's tests are those under the text of its last user message. Raises DataError, naming the line.
    """
    known = dict(_lines(path))
    return lambda query: known.get(text_id(query.full_text), ())


def _lines(path: Path) -> Iterator[tuple[str, Sequence[str]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError(f"{path}: cannot be read ({type(cause).__name__}).") from cause
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _line(line, f"{path}:{number}")


def _line(line: str, place: str) -> tuple[str, Sequence[str]]:
    try:
        row = json.loads(line)
    except ValueError:
        raise DataError(f"{place}: not JSON.") from None
    query, tests = (row.get("query"), row.get("tests")) if isinstance(row, Mapping) else (None, None)
    if not isinstance(query, str) or not isinstance(tests, list) or not all(isinstance(each, str) for each in tests):
        raise DataError(f'{place}: want an object with "query", a text, and "tests", a list of texts.')
    return text_id(query), tuple(tests)


def _parses(program: str) -> bool:
    with warnings.catch_warnings():
        # A doubtful escape in a string is not a fault of the answer.
        warnings.simplefilter("ignore")
        try:
            ast.parse(program)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
