"""Health: what was seen of a model's calls lately."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What deciding may know of how a model's upstream does; None is unknown.

    closed_because : why it must not be called now; None where it may be.
    probe_in_s : how long until it is tried again; None where it is not shut.
    error_rate : share of its latest calls that failed, in [0, 1].
    latency_s, ttft_s : moving averages of its answers, whole and to the first token.
    """

    closed_because: str | None = None
    probe_in_s: float | None = None
    error_rate: float | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
