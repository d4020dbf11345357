"""The section of the cache of answers."""

from __future__ import annotations

from pydantic import PositiveFloat

from switchpoint.config.section import Section


class CacheSection(Section):
    """Whether a request that was answered before is answered again with the same answer.

    routes, models : which are cached; all if not given.
    sampled : also where the answer is drawn at random, that is without a temperature of 0.
    """

    enabled: bool = False
    ttl_s: PositiveFloat = 3600.0
    max_mb: PositiveFloat = 64.0
    routes: list[str] | None = None
    models: list[str] | None = None
    sampled: bool = False
