"""Messages: Anthropic's protocol, as its callers speak it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchpoint.dialects.anthropic.asked import read_request
from switchpoint.dialects.anthropic.errors import write_error
from switchpoint.dialects.anthropic.events import Events
from switchpoint.dialects.anthropic.message import unshaped, write_message
from switchpoint.dialects.dialect import Json


class Messages:
    """The dialect of POST /v1/messages."""

    name = "messages"
    waiting = b'event: ping\ndata: {"type":"ping"}\n\n'

    def request(self, body: Json) -> Json:
        """Return the chat completion that asks for the same; raises RequestError for what it cannot carry."""
        return read_request(body)

    def answer(self, body: Json, asked: Json) -> Json:
        """Return a `chat.completion` as a message; raises BadAnswer for one that is not of OpenAI's form."""
        try:
            return write_message(body)
        except (AttributeError, KeyError, TypeError) as error:
            raise unshaped(error) from None

    def writer(self, model: str, asked: Json) -> Events:
        """Return the writer of the events of a message."""
        return Events(model)

    def error(self, told: Mapping[str, Any], status: int) -> Json:
        """Return OpenAI's error object in Anthropic's form."""
        return write_error(told, status)
