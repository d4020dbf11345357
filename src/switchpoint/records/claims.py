"""Claims: what upstreams say of their own answers, held against what they were asked for."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter

from switchpoint.core.record import Record
from switchpoint.records.watching import UNKNOWN, Callee

REMEMBERED = 1_000
"""For so many pairs of names it is remembered that they were logged; those after these are only counted."""

NAME_CHARS = 100
VERSION = re.compile(r"[-@:.](v?\d[\w.\-]*|latest|preview|exp)")
"""What vendors put behind the name that they were asked for: a date, a version, where it points to."""

_logger = logging.getLogger(__name__)


class Claims:
    """A sink that counts answers which their upstream says another model gave; every such pair is logged once.

    callees : by model, who is called for it. An upstream that says nothing is believed: only what it says can be held
    against it, and one that lies about both the model and its name is not found out here.
    """

    def __init__(self, registry: CollectorRegistry, callees: Mapping[str, Callee]) -> None:
        self._callees = callees
        self._logged: set[tuple[str, str]] = set()
        self._counter = Counter(
            "switchpoint_answers_of_another_model",
            "Answers that the upstream says another model gave than was asked for.",
            ("upstream", "model"),
            registry=registry,
        )

    def __call__(self, record: Record) -> None:
        """Look at every answer of a record."""
        for attempt in record.attempts:
            claimed = None if attempt.answer is None else attempt.answer.model
            callee = self._callees.get(attempt.decision.model, UNKNOWN)
            if claimed is None or claimed == callee.model or callee is UNKNOWN or is_same(callee.model, claimed):
                continue
            self._counter.labels(callee.upstream, attempt.decision.model).inc()
            self._log(callee, claimed)

    def _log(self, callee: Callee, claimed: str) -> None:
        pair = callee.model, claimed[:NAME_CHARS]
        if pair not in self._logged and len(self._logged) < REMEMBERED:
            self._logged.add(pair)
            _logger.warning("Upstream %r was asked for %r and says that %r answered.", callee.upstream, *pair)


@lru_cache(maxsize=1024)
def is_same(asked: str, claimed: str) -> bool:
    """Say whether a name that was claimed is the one that was asked for, or a version of it.

    `vendor/name` is `name`, and `name` may come back as `name-2024-08-06`; `name-mini` is another model.
    """
    asked, claimed = (name.rsplit("/", 1)[-1].lower() for name in (asked, claimed))
    shorter, longer = sorted((asked, claimed), key=len)
    return longer == shorter or (longer.startswith(shorter) and VERSION.fullmatch(longer[len(shorter) :]) is not None)
