"""Server-sent events: bytes in, split anywhere, payloads out. Knows nothing of JSON or of models."""

from __future__ import annotations

from switchpoint.core.errors import BadAnswer

DONE = b"[DONE]"
"""The payload with which OpenAI's streams end."""

MAX_EVENT_BYTES = 8 * 1024 * 1024


class Events:
    """An incremental parser of one stream, after the WHATWG specification of `text/event-stream`.

    Lines end in LF, CR or CRLF; several data lines of an event are joined by a newline; comments and every field but
    `data` are dropped; what is not UTF-8 becomes U+FFFD. Differs: an event whose data is empty is dropped too (some
    servers send them as heartbeats), and a byte order mark is not looked for.
    """

    def __init__(self, source: str = "the stream", max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._source = source
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()  # the part of the last line that has come
        self._data: list[bytes] = []  # the data lines of the event that has not ended
        self._after_cr = False  # a LF that comes next belongs to the line that has already ended

    def feed(self, block: bytes) -> list[bytes]:
        """Return the payloads of the events that this block completes.

        Raises BadAnswer when an event grows past the limit without an end.
        """
        if self._after_cr and block:
            block = block.removeprefix(b"\n")
            self._after_cr = False
        if b"\n" not in block and b"\r" not in block:
            self._line += block
            self._check_size()
            return []
        self._after_cr = block.endswith(b"\r")
        lines = (bytes(self._line) + block).splitlines(keepends=True)
        self._line = bytearray() if lines[-1].endswith((b"\n", b"\r")) else bytearray(lines.pop())
        payloads = [payload for line in lines if (payload := self._take(line.rstrip(b"\r\n")))]
        self._check_size()
        return payloads

    def _take(self, line: bytes) -> bytes:
        """Take one whole line; return the event's payload if the line ends an event, else nothing."""
        if not line:
            payload = b"\n".join(self._data)
            self._data.clear()
            return payload if payload.isascii() else payload.decode("utf-8", "replace").encode()
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        return b""

    def _check_size(self) -> None:
        if len(self._line) + sum(map(len, self._data)) > self._max_event_bytes:
            raise BadAnswer(f"{self._source}: an event is longer than {self._max_event_bytes} bytes.")
