"""Fixed: always the same model. What a caller who names a concrete model gets."""

from __future__ import annotations

from collections.abc import Sequence

from switchpoint.core.attempt import Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Reason, Step
from switchpoint.core.errors import NoEligibleModel
from switchpoint.core.query import Query


class Fixed:
    """Always call `model`; nothing takes its place.

    Raises UnknownModel when the catalog does not have it.
    """

    def __init__(self, name: str, catalog: Catalog, model: str, reason: Reason = Reason.REQUESTED) -> None:
        self.name = name
        self.model = catalog[model]
        self.reason = reason

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Accept an answer in hand, else call the model; raises NoEligibleModel when it may not take the query."""
        if attempts and attempts[-1].answered:
            return Accept(attempt=len(attempts) - 1)
        exclusion = self.model.exclusion(query, query.input_tokens)
        if exclusion is not None:
            raise NoEligibleModel({self.model.id: exclusion})
        detail = None if query.min_quality is None else "nothing is estimated, so the demanded quality is not checked"
        return Call(decision=Decision(model=self.model.id, router=self.name, reason=self.reason, detail=detail))
