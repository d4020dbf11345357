"""Chat: OpenAI's chat completions, the form that everything has inside; so there is nothing to translate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchpoint.dialects.dialect import Json
from switchpoint.dialects.frames import Frames


class Chat:
    """The dialect of POST /v1/chat/completions."""

    name = "chat"
    waiting = b": waiting\n\n"  # a comment, which clients of event streams pass over

    def request(self, body: Json) -> Json:
        """Return the body as it is."""
        return body

    def answer(self, body: Json, asked: Json) -> Json:
        """Return the body as it is."""
        return body

    def writer(self, model: str, asked: Json) -> Frames:
        """Return the writer that passes the upstream's bytes on."""
        options = asked.get("stream_options")
        return Frames(model, keep_usage=isinstance(options, Mapping) and options.get("include_usage") is True)

    def error(self, told: Mapping[str, Any], status: int) -> Json:
        """Return the object as it is."""
        return dict(told)
