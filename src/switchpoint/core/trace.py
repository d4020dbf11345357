"""Trace: where a request stands in a distributed trace, by the W3C's trace context.

The context of a task carries it from the gateway to the calls of upstreams and to the sinks of records, so that nothing
between them needs to know of it.

Source: https://www.w3.org/TR/trace-context/ (level 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from random import getrandbits
from typing import NamedTuple

Headers = Iterable[tuple[bytes, bytes]]

SAMPLED = 0x01
STATE_BYTES, STATE_MEMBERS = 512, 32
"""The longest tracestate that is passed on; a longer one is left out, as the standard allows."""

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(rb"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}")
_NONE = frozenset(b"0-")


class Trace(NamedTuple):
    """One request's place in a trace.

    trace_id : 32 hexadecimal digits. span_id : 16, what calls of upstreams name as their parent.
    parent_id : of the caller's span; None where the trace begins here, or is only passed through.
    state : the caller's tracestate, passed on as it came.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    sampled: bool = True
    state: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers of a call that belongs to this request."""
        told = {"traceparent": f"00-{self.trace_id}-{self.span_id}-{SAMPLED if self.sampled else 0:02x}"}
        if self.state:
            told["tracestate"] = self.state
        return told


CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the request that is being served; None is none."""

_NO_HEADERS: Mapping[str, str] = {}


def begun(share: float) -> Trace:
    """Begin a trace; so large a share of them, in [0, 1], is sampled."""
    trace_id = _drawn(128)
    return Trace(trace_id, _drawn(64), sampled=int(trace_id[:8], 16) < share * 2**32)


def enter(headers: Headers, share: float | None) -> None:
    """Set the trace of the request with these headers, their names in lower case, for the rest of its task.

    share : of the traces that begin here, in [0, 1], so many are sampled; None where no spans are made here. With spans
        the request has one of its own, and begins a trace where the caller sent none; whether a caller's trace is
        sampled is the caller's decision. Without, the caller's trace is passed through as it came. What is not a trace
        context is ignored.
    """
    trace = _read(headers)
    if share is not None:
        trace = begun(share) if trace is None else trace._replace(span_id=_drawn(64), parent_id=trace.span_id)
    CURRENT.set(trace)


def outgoing() -> Mapping[str, str]:
    """Return the headers by which a call of an upstream joins the trace; none without a trace."""
    trace = CURRENT.get()
    return _NO_HEADERS if trace is None else trace.headers()


def _drawn(bits: int) -> str:
    """Draw an id, as hexadecimal digits. It keeps no secret, so it need not cost a call of the system."""
    return f"{getrandbits(bits):0{bits // 4}x}"


def _read(headers: Headers) -> Trace | None:
    parents, states = [], []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    if len(parents) != 1:
        return None
    return _parsed(parents[0].strip(), b",".join(states))


def _parsed(parent: bytes, state: bytes) -> Trace | None:
    """Read a traceparent; None where it is not one. Versions to come are read by what version 00 has."""
    found = _PARENT.fullmatch(parent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if _NONE.issuperset(trace_id) or _NONE.issuperset(span_id):
        return None
    sampled = bool(int(flags, 16) & SAMPLED)
    return Trace(trace_id.decode(), span_id.decode(), sampled=sampled, state=_state(state))


def _state(state: bytes) -> str:
    members = [member.strip(b" \t") for member in state.split(b",") if member.strip(b" \t")]
    right = len(state) <= STATE_BYTES and len(members) <= STATE_MEMBERS
    if not right or not all(_MEMBER.fullmatch(member) for member in members):
        return ""
    return b",".join(members).decode()
