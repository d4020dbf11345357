"""What a vendor wants back with its next turn and callers need not read, such as signatures of its reasoning.

The Responses API has one field for it: `encrypted_content` of a reasoning item. It holds these fields of the
assistant's message as base64 of JSON; nothing in it is secret.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.encoding import encode

PREFIX = "switchpoint.1."


def sealed(fields: Json) -> str:
    """Return the fields as one text."""
    return PREFIX + base64.urlsafe_b64encode(encode(fields)).decode()


def opened(text: str, place: str) -> dict[str, Any]:
    """Return the fields of a sealed text; raises RequestError for one of somebody else, which only he can read."""
    if text.startswith(PREFIX):
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(text.removeprefix(PREFIX)), type=dict[str, Any])
        except (ValueError, RecursionError):
            pass
    raise RequestError(
        f"'{place}' was not written here, so no model can be given it. Send the reasoning without it.", place
    )


def together(before: Any, piece: Any) -> Any:
    """Return a field with a streamed piece added to it: objects of a list are known by their `index`, texts grow."""
    if not isinstance(before, list) or not isinstance(piece, list):
        return piece
    result = list(before)
    for added in piece:
        number = next((n for n, each in enumerate(result) if _same(each, added)), None)
        if number is None:
            result.append(added)
        else:
            result[number] = {**result[number], **{k: _grown(result[number].get(k), v, k) for k, v in added.items()}}
    return result


def unnumbered(fields: Json) -> Json:
    """Return the fields without the `index` by which pieces of a stream are put together."""
    return {
        name: [_bare(each) for each in value] if isinstance(value, list) else value for name, value in fields.items()
    }


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, dict) and isinstance(other, dict) and one.get("index", one) == other.get("index", other)


def _grown(before: Any, piece: Any, name: str) -> Any:
    grows = name != "type" and isinstance(before, str) and isinstance(piece, str)
    return before + piece if grows else piece


def _bare(value: Any) -> Any:
    return {name: inner for name, inner in value.items() if name != "index"} if isinstance(value, dict) else value
