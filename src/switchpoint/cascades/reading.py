"""Reading: recorded answers as evidence. Of a few listed options, the same number is the same option everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from switchpoint.cascades.belief import NOT_CALLED, SAYS_NOTHING, Evidence, numbered
from switchpoint.cascades.latent import OPEN
from switchpoint.core.conclusion import conclusion
from switchpoint.core.query import BoolArray, FloatArray, IntArray

MOST_OPTIONS = 8
"""Right answers that come to more different things than this are no options."""
FREQUENT = 0.02
"""An option is right on this part of the queries at least; what is rarer is somebody's odd wording."""
COVERED = 0.9
"""The options must be what this part of the right answers come to, or the answers are open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How answers are compared.

    options : conclusions that are listed, such as the letters of a test; none where answers are open.
    """

    options: tuple[str, ...] = ()

    @property
    def n_options(self) -> int:
        """How many options a query has."""
        return len(self.options) or OPEN

    @classmethod
    def of(cls, responses: Any, right: BoolArray) -> Self:
        """Find the options in recorded answers, shape (n_queries, n_models), of which these are right."""
        counts = Counter(said for text in responses[right] if text is not None and (said := conclusion(text)))
        least = FREQUENT * len(right)
        options = sorted(said for said, _ in counts.most_common(MOST_OPTIONS + 1) if counts[said] >= least)
        covered = sum(counts[said] for said in options)
        listed = 2 <= len(options) <= MOST_OPTIONS and covered >= COVERED * counts.total()
        return cls(options=tuple(options) if listed else ())

    def read(self, texts: Sequence[str | None]) -> list[int]:
        """Return what one query's answers come to, as `Evidence.conclusion` has it; None is a model not called."""
        if not self.options:
            return numbered(texts)
        return [NOT_CALLED if text is None else self._option(text) for text in texts]

    def evidence(self, responses: Any, score: FloatArray | None = None) -> Evidence:
        """Read recorded answers, shape (n_queries, n_models)."""
        said: IntArray = np.array([self.read(row) for row in responses], dtype=np.intp).reshape(responses.shape)
        return Evidence(said, np.full(said.shape, np.nan) if score is None else score)

    def _option(self, text: str) -> int:
        said = conclusion(text)
        return self.options.index(said) if said in self.options else SAYS_NOTHING
