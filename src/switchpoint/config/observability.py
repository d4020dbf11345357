"""Section of what is told of the traffic: logs and traces. Metrics are always there."""

from __future__ import annotations

from typing import Literal

from switchpoint.config.section import Section, Share


class ObservabilitySection(Section):
    """What is logged and traced; neither ever holds what was said."""

    log_requests: bool = False
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint_env: str | None = None
    trace_share: Share = 1.0
    gen_ai_version: Literal["latest", "1.36"] = "latest"
