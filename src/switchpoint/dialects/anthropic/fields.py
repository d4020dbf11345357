"""Reading the fields of a caller's request: what must stand in each, with errors that name its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json


def refuse(where: str, why: str) -> NoReturn:
    """Raise the error for a field that cannot be carried."""
    raise RequestError(f"'{where}' cannot be carried. {why}", where)


def one_of(table: Mapping[str, str], value: object, where: str) -> str:
    """Return what a table has for a value; raises RequestError."""
    if not isinstance(value, str) or value not in table:
        raise RequestError(f"'{where}' must be one of {', '.join(table)}. Got {value!r} instead.", where)
    return table[value]


def an_object(value: object, where: str) -> Json:
    """Return a value that must be an object; raises RequestError."""
    if not isinstance(value, dict):
        raise RequestError(f"'{where}' must be an object.", where)
    return value


def objects(value: object, where: str) -> list[Json]:
    """Return a value that must be an array of objects; raises RequestError."""
    if not isinstance(value, list):
        raise RequestError(f"'{where}' must be an array of objects.", where)
    return [an_object(each, f"{where}[{number}]") for number, each in enumerate(value)]


def text(value: Mapping[str, Any], name: str, where: str) -> str:
    """Return a field that must be a string; raises RequestError."""
    found = value.get(name)
    if not isinstance(found, str):
        raise RequestError(f"'{where}.{name}' must be a string.", f"{where}.{name}")
    return found


def rest(value: Mapping[str, Any], known: Iterable[str]) -> Json:
    """Return the fields of a value beside the known ones; null is none."""
    return {name: inner for name, inner in value.items() if name not in known and inner is not None}
