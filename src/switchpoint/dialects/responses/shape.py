"""Checking the shape of what a caller of the Responses API sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json

_KINDS: dict[type[Any], str] = {
    str: "a string",
    list: "an array",
    dict: "an object",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def kind(value: object) -> str:
    """Name the kind of a JSON value."""
    return _KINDS.get(type(value), type(value).__name__)


def shaped(body: Json, name: str, shape: type[Any], place: str | None = None) -> Any:
    """Return a field that must be of this type; missing and null are None. Raises RequestError."""
    value = body.get(name)
    if value is not None and not isinstance(value, shape):
        raise must_be(place or name, _KINDS[shape], value)
    return value


def needed(body: Json, name: str, shape: type[Any], place: str) -> Any:
    """Return a field that must be there and of this type; `place` is of the object. Raises RequestError."""
    value = body.get(name)
    if not isinstance(value, shape):
        raise must_be(f"{place}.{name}", _KINDS[shape], value)
    return value


def each_object(value: object, place: str) -> Iterator[tuple[str, Json]]:
    """Yield the objects of an array, each with its place. Raises RequestError for what is neither."""
    if not isinstance(value, list):
        raise must_be(place, "an array", value)
    for number, each in enumerate(value):
        if not isinstance(each, dict):
            raise must_be(f"{place}[{number}]", "an object", each)
        yield f"{place}[{number}]", each


def only(given: Json, known: Collection[str], place: str, harmless: Collection[object] = ()) -> None:
    """Raise RequestError for a field that is not known here and asks for something."""
    for name, value in given.items():
        if name not in known and value is not None and value not in harmless:
            allowed = ", ".join(sorted(known))
            raise RequestError(f"'{place}.{name}' cannot be served. Allowed: {allowed}.", f"{place}.{name}")


def without(given: Json, names: Collection[str]) -> Json:
    """Return what is left of an object: fields that nothing is known of travel on."""
    return {name: value for name, value in given.items() if name not in names}


def must_be(place: str, allowed: str, got: object) -> RequestError:
    """Make the error for a value of the wrong kind."""
    return RequestError(f"'{place}' must be {allowed}. Got {kind(got)} instead.", place)
