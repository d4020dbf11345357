"""Answering: a whole response in one go, and what stands for one when there is nothing to say but an error."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.types import Message, Send

from switchpoint.core.errors import SwitchpointError
from switchpoint.dialects.dialect import Dialect
from switchpoint.dialects.encoding import encode
from switchpoint.gateway.errors import Header, error_object, shown

_logger = logging.getLogger(__name__)


async def respond(send: Send, status: int, told: list[Header], data: bytes) -> None:
    """Send a whole response."""
    told.append((b"content-length", b"%d" % len(data)))
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": data})


async def refuse(send: Send, error: Exception, dialect: Dialect, told: Sequence[Header] = ()) -> None:
    """Send an error as a response in the caller's form; one that nobody foresaw is logged, and tells nothing."""
    log_unexpected(error)
    status, headers, _ = shown(error)
    await respond(send, status, [*headers, *told], encode(dialect.error(error_object(error), status)))


def telling(send: Send, told: Sequence[Header]) -> Send:
    """Return what sends a response with these headers beside its own."""
    if not told:
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *told]}
        await send(message)

    return sending


def log_unexpected(error: Exception) -> None:
    """Log an error that is not ours."""
    if not isinstance(error, SwitchpointError):
        _logger.error("A request failed unexpectedly.", exc_info=error)
