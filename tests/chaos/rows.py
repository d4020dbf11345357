"""The rows of the matrix: what an upstream does wrong, and how a call of it goes, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.chaos import behaviours as does
from tests.chaos.cells import Answers, Breaks, Call, Cell, Fails, Form, Way, cell
from tests.fake_openai import Behaviour, answering, failing, sending

WAIT_S = 30
"""An advised wait that is longer than the gateway waits itself."""


DAY_S = 86_400
"""The longest wait that is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that goes wrong.

    behave : what the upstream does; None where it is not even reached. upstream : whose name it is called under.
    whole, streamed : how a call of it goes.
    """

    name: str
    what: str
    behave: Behaviour | None
    whole: Call
    streamed: Call
    upstream: str = "chaos"

    def cell(self, way: Way, form: Form) -> Cell:
        """Return what is declared of one request."""
        return cell(self.whole if form is Form.WHOLE else self.streamed, way, form, self.name)


UNREACHABLE = Fails(kind="UpstreamUnreachable", calls=2)
LATE = Fails(kind="UpstreamTimeout", calls=2, status=504)
BAD = Fails(kind="BadAnswer", calls=2)
CUT = Breaks(kind="BadAnswer", code="bad_answer")
STUCK = Breaks(kind="UpstreamTimeout", code="upstream_timeout", status=504)
REFUSED = Fails(kind="UpstreamRefused")
ANSWERS = Answers()
UNBILLED = Answers(bill_known=False)


def both(name: str, what: str, behave: Behaviour | None, call: Call, upstream: str = "chaos") -> Row:
    return Row(name=name, what=what, behave=behave, whole=call, streamed=call, upstream=upstream)


def connections() -> Iterator[Row]:
    """Yield what goes wrong with a connection."""
    yield both("refuses", "nobody listens", None, UNREACHABLE, "closed")
    yield both("deaf", "the connection is never taken", None, LATE, "deaf")
    yield both("resets-at-once", "the connection is reset as soon as it stands", None, UNREACHABLE, "resetting")
    yield both("resets", "the connection is reset once the request is there", does.reset, UNREACHABLE)
    yield both("hangs-up", "the connection is closed once the request is there", does.hang_up, UNREACHABLE)
    yield both("resets-after-headers", "it is reset after the headers", does.reset_after_headers, BAD)
    yield Row(
        name="resets-in-body",
        what="it is reset in the middle of the body",
        behave=does.reset_in_body,
        whole=BAD,
        streamed=CUT,
    )
    yield both("not-http", "what comes back is not HTTP", does.not_http, BAD)


def stalls() -> Iterator[Row]:
    """Yield every place where an upstream can fall silent."""

    def stall(name: str, what: str, behave: Behaviour, streamed: Call) -> Row:
        return Row(name=name, what=what, behave=behave, whole=LATE, streamed=streamed, upstream="hasty")

    yield stall("silent", "silent before the headers", does.silent, LATE)
    yield stall("silent-after-headers", "silent after the headers", does.stall_after_headers, LATE)
    yield stall("silent-after-role", "silent before the first content", does.stall_after_role, LATE)
    yield stall("silent-in-body", "silent in the middle", does.stall_in_body, STUCK)
    yield Row(
        name="silent-before-done",
        what="silent after the finish reason, before the end",
        behave=does.stall_before_done,
        whole=LATE,
        streamed=UNBILLED,
        upstream="hasty",
    )
    yield stall("comments-only", "comments for ever, never content", does.comments, LATE)


def statuses() -> Iterator[Row]:
    """Yield every status that an upstream can answer."""
    key = Fails(kind="UpstreamRefused", code="upstream_refused")
    callers = Fails(kind="UpstreamRefused", status=400, elsewhere=False)
    too_long = Fails(kind="UpstreamRefused", status=400)
    tired = Fails(kind="UpstreamError", calls=2)
    named: dict[int, Call] = {
        **dict.fromkeys((400, 422), callers),
        **dict.fromkeys((401, 402, 403), key),
        **dict.fromkeys((404, 405, 406, 409, 410, 418, 425, 431, 451), REFUSED),
        408: LATE,
        413: too_long,
        415: too_long,
        429: Fails(kind="RateLimited", calls=2, status=429),
        **dict.fromkeys((500, 501, 502, 503, 504, 520, 522, 524, 529, 599), tired),
    }
    for status, call in sorted(named.items()):
        yield both(f"status-{status}", f"answers {status}", failing(status), call)
    yield from limits()
    for status in (301, 302, 303, 307, 308):
        yield both(f"redirects-{status}", f"answers {status}, to a server that is well", does.redirect(status), REFUSED)
    yield both("status-500-html", "answers 500 with a page of HTML", does.html(500), tired)
    yield both("status-503-empty", "answers 503 with nothing", does.empty(503), tired)
    yield both("status-204", "answers 204 with nothing", does.empty(204), BAD)


def limits() -> Iterator[Row]:
    """Yield the forms in which an upstream says when to come back."""
    long = Fails(kind="RateLimited", status=429, retry_after_s=WAIT_S)
    short = Fails(kind="RateLimited", calls=2, status=429, retry_after_s=1)
    tired = Fails(kind="UpstreamError")
    seconds = {"retry-after": str(WAIT_S)}
    yield both("limited-seconds", "answers 429, Retry-After in seconds", failing(429, headers=seconds), long)
    yield both("limited-date", "answers 429, Retry-After as a date", does.limited_until(WAIT_S), long)
    yield both("limited-ms", "answers 429, retry-after-ms", failing(429, headers={"retry-after-ms": "20"}), short)
    garbage = {"retry-after": "soon"}
    yield both(
        "limited-garbage",
        "answers 429, Retry-After that is neither",
        failing(429, headers=garbage),
        Fails(kind="RateLimited", calls=2, status=429),
    )
    absurd = {"retry-after": "1e300"}
    yield both(
        "limited-for-ever",
        "answers 429, Retry-After of 10^300 s",
        failing(429, headers=absurd),
        Fails(kind="RateLimited", status=429, retry_after_s=DAY_S),
    )
    yield both("tired-seconds", "answers 503, Retry-After in seconds", failing(503, headers=seconds), tired)


def bodies() -> Iterator[Row]:
    """Yield what can stand where an answer should, under status 200."""
    html = b"<!doctype html><h1>Sign in</h1>"
    overloaded = {"error": {"message": "Overloaded.", "code": 529}}
    yield both("error-200", "an error object", sending(json.dumps({"error": {"message": "No."}}).encode()), BAD)
    yield both(
        "error-200-status",
        "an error object that holds a status",
        sending(json.dumps(overloaded).encode()),
        Fails(kind="UpstreamError", calls=2),
    )
    yield both("html", "a page of HTML", sending(html, "text/html"), BAD)
    yield both("empty", "nothing", does.empty(200), BAD)
    yield both("broken-json", "half of a JSON object", sending(b'{"choices": [{'), BAD)
    yield both("other-json", "JSON of another shape", sending(b'[1, 2, {"choices": 3}]'), BAD)
    yield both("deep-json", "JSON 100,000 brackets deep", sending(b"[" * 100_000), BAD)
    yield both("no-choices", "no choices", sending(b'{"choices": []}'), BAD)
    yield both("not-utf8", "bytes that are no text", sending(b"\xff\xfe" * 50), BAD)
    yield both("gzip-bomb", "100 MB of zeros in 100 kB of gzip", does.gzip_bomb, BAD)
    yield both("long-length", "less than its content-length says", does.long_length, BAD)


def streams() -> Iterator[Row]:
    """Yield what only a stream can do wrong; whole answers of the same upstream are well."""

    def stream(name: str, what: str, behave: Behaviour, call: Call) -> Row:
        return Row(name=name, what=what, behave=does.streamed(behave), whole=ANSWERS, streamed=call)

    yield stream("not-a-stream", "one JSON body instead of events", does.one_body, BAD)
    yield stream("other-type", "text that is no events", sending(b"Hello there.", "text/plain"), BAD)
    yield stream("huge-event", "an event of 9 MB", does.huge_event, BAD)
    yield stream("huge-line", "9 MB without the end of a line", does.huge_line, BAD)
    yield stream("broken-event", "an event that is no JSON, after the first words", does.broken_event, CUT)
    yield stream("error-event", "an error event after the first words", does.error_event, CUT)
    yield stream("error-first", "an error event first of all", does.error_first, BAD)
    yield stream("only-done", "[DONE] and nothing else", does.only_done, BAD)
    yield stream("only-role", "a role, [DONE], and nothing else", does.only_role, BAD)
    yield stream("no-finish", "the end without finish reason and [DONE]", does.no_finish, CUT)
    yield stream("no-finish-but-done", "[DONE] without finish reason", does.no_finish_but_done, UNBILLED)
    yield stream("no-done", "a finish reason, and never [DONE]", does.no_done, UNBILLED)
    yield stream("after-done", "more words after [DONE]", does.after_done, UNBILLED)
    yield stream("byte-by-byte", "every byte by itself", does.byte_by_byte, ANSWERS)


def lies() -> Iterator[Row]:
    """Yield what upstreams say of themselves that is not so: the answer stands, what is not known is unknown."""
    yield both("other-name", "the name of another model", does.other_name, ANSWERS)
    yield both("no-usage", "no usage", answering(usage=None), UNBILLED)
    negative = {"prompt_tokens": -5, "completion_tokens": -7, "total_tokens": -12}
    yield both("negative-usage", "negative usage", answering(usage=negative), UNBILLED)
    yield both("usage-of-text", "usage in words", answering(usage={"prompt_tokens": "many"}), UNBILLED)
    fraction = {"prompt_tokens": 1.5, "completion_tokens": 2.5}
    yield both("fractional-usage", "usage in fractions", answering(usage=fraction), UNBILLED)
    huge = {"prompt_tokens": 10**30, "completion_tokens": 10**30}
    yield both("absurd-usage", "usage of 10^30 tokens", answering(usage=huge), UNBILLED)
    cached = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 99}}
    bill = {"prompt_tokens": 10, "completion_tokens": 1, "cost": 1e300}
    yield both("absurd-bill", "a bill of 10^300 USD", answering(usage=bill), ANSWERS)
    yield both("more-cached", "more cached tokens than there were", answering(usage=cached), ANSWERS)


def protocol() -> Iterator[Row]:
    """Yield bad HTTP, and HTTP that is only unusual."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    yield both("http-1.0", "HTTP/1.0, whose body ends with the connection", does.old_http, ANSWERS)
    yield both("early-hints", "three times 103 before the answer", does.early_hints, ANSWERS)
    yield both("hints-for-ever", "103 for ever", does.hints_for_ever, LATE, "hasty")
    yield both("huge-header", "a header of 1 MB", does.raw(ok + b"X: " + b"x" * 1_000_000), BAD)
    yield both("many-headers", "100,000 headers", does.raw(ok + b"X: x\r\n" * 100_000 + b"Y: y"), BAD)
    yield both("no-gzip", "says gzip and is not", does.raw(ok + b"Content-Encoding: gzip", b"plain"), BAD)
    yield both("broken-chunk", "a chunk whose length is no number", does.raw(ok + CHUNKED, b"zz\r\nno\r\n"), BAD)
    yield both("two-lengths", "two different lengths", does.raw(ok + b"Content-Length: 5\r\nContent-Length: 9"), BAD)
    negative = ok + b"Content-Length: -5"
    yield both("negative-length", "a length below zero", does.raw(negative, b"hello"), BAD)
    absurd = b"HTTP/1.1 99999 What\r\nContent-Length: 0"
    yield both("status-99999", "a status of five digits", does.raw(absurd), BAD)
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: upgrade"
    yield both("status-101", "another protocol from here on", does.raw(upgrade), REFUSED)


CHUNKED = b"Transfer-Encoding: chunked"


def shapes() -> Iterator[Row]:
    """Yield JSON that is nearly an answer, whole and in an event after the first word."""

    def shape(name: str, what: str, data: bytes) -> Row:
        return Row(name=name, what=what, behave=does.then(data), whole=BAD, streamed=CUT)

    yield shape("a-number", "a number", b"5")
    yield shape("a-string", "a string", b'"Hello"')
    yield shape("nan", "NaN, which is no JSON", b'{"choices": [{"index": 0, "logprobs": NaN}]}')
    yield shape("choices-object", "choices that are no list", b'{"choices": {"0": "Hello"}}')
    yield shape("finish-number", "a finish reason that is a number", b'{"choices": [{"finish_reason": 7}]}')
    yield shape("bad-text", "text that is not UTF-8", b'{"choices": [{"message": {"content": "\xff\xfe"}}]}')


EVENTS = ("the role", "the first word", "the second word", "the finish reason", "the usage", "[DONE]")
"""Of the stream that is cut."""

CUT_AFTER: tuple[Call, ...] = (BAD, BAD, CUT, CUT, UNBILLED, ANSWERS)
"""How a stream ends that is cut after so many events: before a word, after one, after the finish reason, the usage."""


def cuts() -> Iterator[Row]:
    """Yield every place where a stream can break off: at each boundary of its events, and inside each event."""
    for number, (event, call) in enumerate(zip(EVENTS, CUT_AFTER, strict=True)):
        for inside in (False, True):
            yield Row(
                name=f"cut-{'inside' if inside else 'before'}-{number}",
                what=f"breaks off {'inside' if inside else 'before'} {event}",
                behave=does.cut(number, inside=inside),
                whole=BAD,
                streamed=call,
            )


GROUPS = {
    "Connections": tuple(connections()),
    "Silence": tuple(stalls()),
    "Statuses": tuple(statuses()),
    "Bodies, under status 200": tuple(bodies()),
    "Streams": tuple(streams()),
    "Truncation": tuple(cuts()),
    "HTTP": tuple(protocol()),
    "Shapes": tuple(shapes()),
    "Claims": tuple(lies()),
}

ROWS = tuple(row for rows in GROUPS.values() for row in rows)


CELLS = tuple(product(ROWS, Way, Form))
