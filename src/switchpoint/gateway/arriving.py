"""Arriving: how large the head of a request may be, and how long a request may take to come. What callers cannot bound.

The server reads heads of any size and waits for the rest of a request without end; both would let a few callers hold
all memory or all connections. Limits of what is in a request stand in `limits.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from switchpoint.dialects.encoding import encode
from switchpoint.gateway.errors import error_body


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalLimits:
    """How a request may come.

    max_headers : how many. max_head_bytes : of their names and values and of the path, together; one read of the
    connection more may be held. within_s : from the first byte of a request, or from the start of a connection, to the
    request's last byte.
    """

    max_headers: int = 128
    max_head_bytes: int = 32_768
    within_s: float = 60.0


ARRIVAL = ArrivalLimits()


class Fault(NamedTuple):
    """What is wrong with how a request comes."""

    status: int
    code: str
    message: str


MALFORMED = Fault(400, "malformed_request", "This is not a request of HTTP/1.1. Send it through an HTTP client.")

UPGRADE = Fault(
    400, "upgrade_unsupported", "Another protocol is offered, and none is spoken. Send the request without 'Upgrade'."
)
"""The parser stops where another protocol would begin, and a body that follows would be lost."""

FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class HeadRefused(Exception):
    """Stops the parser; what is answered stands in `fault`."""


class Arriving(HttpToolsProtocol):
    """One connection of the server, with limits.

    A request that comes in one piece, as nearly all do, sets no clock. While an answer is on its way nothing is
    expected of the caller, so a clock that runs out then starts again.
    """

    limits: ClassVar[ArrivalLimits] = ARRIVAL

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._fault: Fault | None = None
        self._in_head, self._whole = False, False
        self._block = 0  # bytes of the last read
        self._head_bytes = 0  # of the head of a request, without the read that it began in
        self._clock: asyncio.TimerHandle | None = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        self._block, self._whole = len(data), False
        super().data_received(data)
        if self._whole or self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.max_head_bytes:
                self._refuse(self._too_large())
                return
        if self._clock is None:
            self._wait()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head, self._whole = True, False
        self._head_bytes = -self._block  # to which this very read is added
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand the request on, unless its head is too large."""
        self._fault = self._fault_of_head()
        if self._fault is not None:
            raise HeadRefused
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request: the next one has its own time."""
        self._whole = True
        self._stop()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser does not take."""
        self._refuse(self._fault or MALFORMED)

    def _fault_of_head(self) -> Fault | None:
        most = self.limits.max_headers
        if len(self.headers) > most:
            return Fault(431, "request_too_large", f"The request has more than {most} headers. Send fewer.")
        in_pieces = self._head_bytes > 0 or self._block > self.limits.max_head_bytes
        if in_pieces and self._size() > self.limits.max_head_bytes:
            return self._too_large()
        if self.parser.should_upgrade() and any(name in FRAMING for name, _ in self.headers):
            return UPGRADE
        return None

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _too_large(self) -> Fault:
        most = self.limits.max_head_bytes
        return Fault(431, "request_too_large", f"The head of the request is larger than {most} bytes. Send less.")

    def _wait(self) -> None:
        self._clock = self.loop.call_later(self.limits.within_s, self._late)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _late(self) -> None:
        self._clock = None
        if self.transport.is_closing():
            return
        if self.pipeline or (self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete):
            self._wait()
            return
        within_s = self.limits.within_s
        self._refuse(Fault(408, "request_timeout", f"The request did not come within {within_s:g} s. Send it again."))

    def _refuse(self, fault: Fault) -> None:
        """Answer, unless an answer has begun, and close the connection."""
        self._stop()
        if not self.transport.is_closing() and self._silent():
            self.transport.write(written(fault))
        self.transport.close()

    def _silent(self) -> bool:
        """Whether a response may be written: not inside that to an earlier request, nor after one to this request."""
        latest = self.cycle
        if self.pipeline or latest is None:
            return latest is None
        if latest.response_complete:
            return self._in_head or not latest.more_body
        return latest.more_body and not latest.response_started


def written(fault: Fault) -> bytes:
    """Return the whole response for a fault, in the form of OpenAI's errors."""
    body = encode(error_body(fault.message, type="invalid_request_error", code=fault.code))
    head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    return STATUS_LINE[fault.status] + head + body


def arriving(limits: ArrivalLimits = ARRIVAL) -> type[Arriving]:
    """Return the kind of connection that keeps these limits."""
    return type("Arriving", (Arriving,), {"limits": limits})
