"""Limits of what callers send, which are on by default."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from switchpoint.config.section import Section


class InputSection(Section):
    """The part of [gateway] that says what one request may hold, and how long it may take to come."""

    max_body_mb: PositiveFloat = 20.0
    max_head_kb: PositiveFloat = 32.0
    max_headers: PositiveInt = 128
    arrival_timeout_s: PositiveFloat = 60.0
    max_depth: PositiveInt = 100
    max_messages: PositiveInt = 10_000
    max_tools: PositiveInt = 1_000
    max_parts: PositiveInt = 10_000
    max_answers: PositiveInt = 128
    max_name_chars: PositiveInt = 256
