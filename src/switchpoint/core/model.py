"""Model: a callable option of the catalog. Choosing a model and choosing how much compute to give it is one choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from switchpoint.core.query import EMPTY, Query

CAPABILITIES = frozenset({"tools", "vision", "json_schema", "logprobs"})
"""What a query can need and a model can do."""

TIERS: Mapping[str, float] = {"weak": 0.0, "mid": 0.5, "strong": 1.0}
"""A stated tier as an ability: 0 is the weak and 1 the strong model that the bundled router was trained on."""

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one call used. None is unknown, never zero.

    input_tokens includes cached_input_tokens, read from a prompt cache, and cache_write_input_tokens, written
    to it; output_tokens includes reasoning.
    cost_usd : the bill, where the upstream states one; it wins over any price list.
    """

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One way to get an answer: an upstream's model with parameters, prompt style and number of samples.

    id : its name in the catalog; `mini`, `mini:high-effort` and `mini:best-of-5` are three models.
    upstream, upstream_model : who is called, and under which name.
    parameters : fields set in every request; they win over the caller's, because they define this option.
    preamble : messages put before the caller's, such as worked examples.
    samples : answers drawn per call; the one that most samples agree on is returned, and all are paid for.
    *_usd_per_mtok : price in USD per million tokens; None is unknown.
    usd_per_hour : price of the machine, for a model that is paid by time (self-hosted).
    context_tokens : the longest input it takes; None is unknown and excludes nothing.
    can : capabilities, of `CAPABILITIES`; None is unknown and excludes nothing.
    tier : stated ability, one of `TIERS`, for routers without outcomes of this model.
    output_tokens : expected length of an answer, for estimates of cost before the call.
    max_output_tokens : the longest answer it writes, for bounds on the cost of a call; None is unknown.
    retires : the day from which its vendor does not serve it any more; None is unknown.
    """

    id: str
    upstream: str
    upstream_model: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    preamble: tuple[Mapping[str, Any], ...] = ()
    samples: int = 1
    input_usd_per_mtok: Decimal | None = None
    cached_input_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    output_usd_per_mtok: Decimal | None = None
    usd_per_hour: Decimal | None = None
    context_tokens: int | None = None
    can: frozenset[str] | None = None
    tier: str | None = None
    output_tokens: int = 300
    max_output_tokens: int | None = None
    retires: date | None = None

    def cost_usd(self, usage: Usage | None, seconds: float | None = None) -> Decimal | None:
        """Return what a call cost, or None where the usage or a price that it needs is unknown.

        A stated bill wins; then machine time (`seconds` of the call); then tokens at list prices, input that was read
        from a prompt cache or written to it at its own price where one is known and else at the full one.
        """
        if usage is not None and usage.cost_usd is not None:
            return usage.cost_usd
        if self.usd_per_hour is not None:
            return None if seconds is None else self.usd_per_hour * Decimal(repr(seconds)) / 3600
        return None if usage is None else self._token_cost_usd(usage)

    def _token_cost_usd(self, usage: Usage) -> Decimal | None:
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        if self.input_usd_per_mtok is None or self.output_usd_per_mtok is None:
            return None
        full = self.input_usd_per_mtok
        read = min(usage.cached_input_tokens or 0, usage.input_tokens)
        written = min(usage.cache_write_input_tokens or 0, usage.input_tokens - read)
        return (
            (usage.input_tokens - read - written) * full
            + read * (full if self.cached_input_usd_per_mtok is None else self.cached_input_usd_per_mtok)
            + written * (full if self.cache_write_usd_per_mtok is None else self.cache_write_usd_per_mtok)
            + usage.output_tokens * self.output_usd_per_mtok
        ) / MILLION

    def expected_cost_usd(self, input_tokens: int) -> float | None:
        """Return the expected cost of a call at list prices, or None where a price is unknown.

        Output length is `output_tokens` whatever the query: predicting it is an estimator's work.
        """
        usage = Usage(input_tokens=input_tokens * self.samples, output_tokens=self.output_tokens * self.samples)
        cost = self._token_cost_usd(usage)
        return None if cost is None else float(cost)

    def output_limit(self, query: Query) -> int | None:
        """Return the most tokens that one call can bring, all its samples together; None where no cap is known.

        The request carries the caller's parameters and over them the model's, so the same ones count here.
        """
        sent = {**query.parameters, **self.parameters}
        caps = (_count(sent.get("max_tokens")), _count(sent.get("max_completion_tokens")), self.max_output_tokens)
        known = [cap for cap in caps if cap is not None]
        return min(known) * (_count(sent.get("n")) or 1) * self.samples if known else None

    def reserve_usd(self, query: Query, input_tokens: int) -> float | None:
        """Return what is set aside for a call under a cost limit: the most it can cost, where that is known.

        Without a cap on its answer it is the expected cost; None where a price is unknown.
        """
        cap = self.output_limit(query)
        if cap is None:
            return self.expected_cost_usd(input_tokens)
        sent, full, write = self.input_limit(input_tokens), self.input_usd_per_mtok, self.cache_write_usd_per_mtok
        written = sent if full is not None and write is not None and write > full else 0  # all of it, if that is dearer
        cost = self._token_cost_usd(Usage(input_tokens=sent, cache_write_input_tokens=written, output_tokens=cap))
        return None if cost is None else float(cost)

    def input_limit(self, input_tokens: int) -> int:
        """Return the tokens that one call sends, preamble and samples included, for a query of `input_tokens`."""
        preamble = Query(id="", messages=self.preamble).input_tokens if self.preamble else 0
        return (preamble + input_tokens) * self.samples

    def exclusion(self, query: Query, input_tokens: int) -> str | None:
        """Say why this model may not take the query, or None if it may; unknown limits exclude nothing."""
        if query.allow is not None and self.id not in query.allow:
            return "not allowed for this request"
        health = query.health.get(self.id)
        if health is not None and health.closed_because is not None:
            return health.closed_because
        if self.can is not None and not query.needs <= self.can:
            return f"cannot do {', '.join(sorted(query.needs - self.can))}"
        if self.context_tokens is not None and input_tokens > self.context_tokens:
            return f"takes {self.context_tokens} tokens, the request has about {input_tokens}"
        if query.max_cost_usd is not None:
            cost = self.reserve_usd(query, input_tokens)
            if cost is not None and cost > query.max_cost_usd:
                sort = "expected to" if self.output_limit(query) is None else "may"
                return f"{sort} cost {cost:.6f} USD, over the limit of {query.max_cost_usd:.6f}"
        return None


def _count(value: object) -> int | None:
    """Read a parameter that a caller sent; anything but a whole number of 0 or more says nothing."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
