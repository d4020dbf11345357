"""Limits of input, as a configuration sets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchpoint.config.inputs import InputSection

if TYPE_CHECKING:
    from switchpoint.gateway.arriving import ArrivalLimits
    from switchpoint.gateway.limits import InputLimits


def input_limits(section: InputSection) -> InputLimits:
    """Return what one request may hold."""
    from switchpoint.gateway.limits import InputLimits

    return InputLimits(
        max_depth=section.max_depth,
        max_messages=section.max_messages,
        max_tools=section.max_tools,
        max_parts=section.max_parts,
        max_answers=section.max_answers,
        max_name_chars=section.max_name_chars,
    )


def arrival_limits(section: InputSection) -> ArrivalLimits:
    """Return how a request may come."""
    from switchpoint.gateway.arriving import ArrivalLimits

    return ArrivalLimits(
        max_headers=section.max_headers,
        max_head_bytes=int(section.max_head_kb * 1024),
        within_s=section.arrival_timeout_s,
    )
