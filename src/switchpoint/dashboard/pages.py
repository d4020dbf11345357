"""The pages over the records, as HTML; they know nothing of HTTP.

Everything that a page shows of a record is escaped. Styles are one inline sheet, whose hash `STYLE_HASH` allows under a
strict content security policy; there are no scripts.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from switchpoint.core.query import content_text
from switchpoint.core.record import Feedback
from switchpoint.dashboard.formats import FILTERS
from switchpoint.records.reader import RecordReader
from switchpoint.records.story import WHY, bill, said, story

TEMPLATES = Path(__file__).parent / "templates"
STYLE = (TEMPLATES / "style.css").read_text("utf-8")
STYLE_HASH = f"sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}"
PAGE = 50
MOST_USED = 20
"""How many routes the totals show; callers make new ones by asking for thresholds."""


def records_page(reader: RecordReader, *, before: str | None = None, limit: int = PAGE) -> str:
    """Render the totals and the latest records; or, from the second page on, only the records older than `before`.

    Raises RequestError if `before` is not the id of a record.
    """
    found = reader.list(limit=limit + 1, before=before)
    records = found[:limit]
    return _render(
        "records.html",
        summary=reader.summary() if before is None else None,
        records=records,
        most_used=MOST_USED,
        why=WHY,
        feedback=means(reader.feedback(record.id for record in records)),
        before=before,
        older=records[-1].id if len(found) > limit else None,
    )


def record_page(reader: RecordReader, id: str) -> str:
    """Render the story of one query; raises RequestError for an unknown id."""
    record = reader.get(id)
    return _render(
        "record.html",
        record=record,
        lines=story(record),
        bill=bill(record),
        said=said,
        feedback=reader.feedback([record.id]).get(record.id, ()),
        messages=[(m.get("role", "?"), content_text(m.get("content"))) for m in record.messages or ()],
    )


def problem_page(message: str, home: str) -> str:
    """Render an error, with the way back: the relative address of the records."""
    return _render("problem.html", message=message, home=home)


def means(feedback: Mapping[str, Iterable[Feedback]]) -> dict[str, dict[str, float]]:
    """Average the sources: one value for each record and metric."""
    values: dict[str, dict[str, list[float]]] = {}
    for record_id, items in feedback.items():
        for item in items:
            values.setdefault(record_id, {}).setdefault(item.metric, []).append(item.value)
    return {id: {metric: fmean(found) for metric, found in metrics.items()} for id, metrics in values.items()}


def environment_of(filters: Mapping[str, Callable[..., Any]], style: str) -> Environment:
    """Return where templates are rendered: everything escaped, and what is missing an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({**FILTERS, **filters})
    environment.globals["style"] = Markup(style)  # ours, not a caller's: the only markup that is not escaped
    return environment


@cache
def _environment() -> Environment:
    return environment_of({}, STYLE)


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)
