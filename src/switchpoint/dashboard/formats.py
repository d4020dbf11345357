"""How numbers look on a page; None and NaN are shown as unknown, never as zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

UNKNOWN = "–"


def usd(amount: Decimal | float | None) -> str:
    """Show money: cents from a dollar on, three significant digits below, and no exponents."""
    if amount is None or math.isnan(amount):
        return UNKNOWN
    sign, size = "−" if amount < 0 else "", abs(float(amount))
    if size == 0 or size >= 1:
        return f"{sign}${size:,.2f}"
    return f"{sign}${size:.{2 - math.floor(math.log10(size))}f}"


def seconds(value: float | None) -> str:
    """Show a time in the unit that suits it."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if value < 1:
        return f"{value * 1e3:.2g} ms" if value < 0.01 else f"{value * 1e3:.0f} ms"
    return f"{value:.1f} s"


def percent(share: float | None) -> str:
    """Show a share of one."""
    if share is None or math.isnan(share):
        return UNKNOWN
    return f"{share * 100:.0f}%".replace("-", "−")


def unit(value: float | None) -> str:
    """Show a number in [0, 1], such as a quality or a score."""
    return UNKNOWN if value is None or math.isnan(value) else f"{value:.2f}"


def count(value: int | None) -> str:
    """Show a whole number."""
    return UNKNOWN if value is None else f"{value:,}"


def moment(at: datetime) -> str:
    """Show a time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def feedback(values: Mapping[str, float]) -> str:
    """Show feedback by metric."""
    return ", ".join(f"{metric} {value:.2f}" for metric, value in values.items()) or UNKNOWN


FILTERS: Mapping[str, Callable[[Any], str]] = {
    "usd": usd,
    "seconds": seconds,
    "percent": percent,
    "unit": unit,
    "count": count,
    "moment": moment,
    "feedback": feedback,
}
