"""The page of the documentation that shows the matrix: written from the declaration alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.chaos.cells import OK, STRONG, Cell, Form, Sees, Way
from tests.chaos.promises import PROMISES, Promise
from tests.chaos.rows import CELLS, GROUPS, ROWS, Row

PAGE = Path(__file__).parents[2] / "docs" / "chaos.md"
COLUMNS = tuple((way, form) for way in Way for form in Form)

INTRODUCTION = """\
# What happens when things go wrong

<!-- Written by `python -m tests.chaos --write`. Edit tests/chaos/rows.py and tests/chaos/promises.py instead. -->

What an upstream does wrong, how it is asked, and what comes of it. This page is written from a declaration, and the
tests ask a gateway for each of these {cells} cells over real sockets: what is observed must be what is declared, in
what the caller sees and in what the record says. It is {rows} faults times three ways to ask (a model by its name; a
router with another model behind; a cascade that holds the first answer) times two forms (whole, streamed).

The gateway under test retries once (`retries = 1`); breakers are off here, so that every cell is asked for alone, and
have their own tests below.

| in a cell | means |
|---|---|
| answers | 200 and the whole answer of the model that was asked |
| answers, bill unknown | the same; the upstream did not say, or not believably, what was used |
| **strong** answers | 200 and the whole answer of the model behind; the caller sees nothing of the failure |
| 502 `no_answer` | an error response of this status and code, with `x-should-retry: false` |
| breaks off: `bad_answer` | the beginning of an answer, then one error event of this code, and no `[DONE]` |
| wait 30 s | the response has `retry-after: 30` |

The column *calls* is what the record says of each call of the faulty model, whole and streamed where these differ. What
a failed call cost is known only for those that no vendor charges for (`RateLimited`, `UpstreamRefused`,
`UpstreamUnreachable`); for every other failure the bill of the whole request is unknown, never guessed. Records of
answers say `answered`, all others `failed`. The body and the headers name our own model, whatever the upstream claims;
its claim is in the record.
"""


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION.format(cells=len(CELLS), rows=len(ROWS))]
    parts += ["\n".join(_group(title, rows)) for title, rows in GROUPS.items()]
    parts.append("\n".join(_promises(PROMISES)))
    return "\n".join(parts)


def _group(title: str, rows: tuple[Row, ...]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| an upstream | calls | " + " | ".join(f"{way}, {form}" for way, form in COLUMNS) + " |"
    yield "|---" * (2 + len(COLUMNS)) + "|"
    for row in rows:
        told = " | ".join(_told(row.cell(way, form), row) for way, form in COLUMNS)
        yield f"| {row.what} | {_calls(row)} | {told} |"
    yield ""


def _told(cell: Cell, row: Row) -> str:
    if cell.sees is Sees.BROKEN:
        return f"breaks off: `{cell.code}`"
    if cell.sees is Sees.ERROR:
        wait = "" if cell.retry_after_s is None else f", wait {cell.retry_after_s} s"
        return f"{cell.status} `{cell.code}`{wait}"
    if cell.model == STRONG:
        return "**strong** answers"
    return "answers" if cell.bill_known else "answers, bill unknown"


def _calls(row: Row) -> str:
    forms = [_counted(row.cell(Way.PLAIN, form).attempts) for form in Form]
    return forms[0] if forms[0] == forms[1] else " / ".join(forms)


def _counted(attempts: tuple[str, ...]) -> str:
    kind = attempts[0]
    return kind if kind == OK or len(attempts) == 1 else f"{len(attempts)} × {kind}"


def _promises(promises: dict[str, tuple[Promise, ...]]) -> Iterator[str]:
    for title, each in promises.items():
        yield f"## {title}\n"
        yield "| what happens | what comes of it |"
        yield "|---|---|"
        yield from (f"| {promise.what} | {promise.then} |" for promise in each)
        yield ""
