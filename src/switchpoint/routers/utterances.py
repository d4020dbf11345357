"""Semantic routes as data: what is asked, by example, and who answers it. Read whole, checked whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from switchpoint.core.errors import ConfigError, nearest
from switchpoint.core.settings import SUFFIXES, read_settings

ALPHA = 0.5
"""Weight of the dense similarity where none is given; docs/semantic-routes.md has what was measured."""
TOP = 3
"""Nearest utterances that count where no number is given; more than one forgives an odd utterance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticRoute:
    """A topic told by examples, and who answers it.

    utterances : texts that belong to it; negatives : texts that come near and do not.
    examples : more texts that belong to it, which only fitting and judging look at.
    threshold : the score from which a query matches, in [0, 1]; None is the default threshold.
    use : the model, router or cascade that answers; refuse : what a caller is told instead of an answer. At most one.
    """

    name: str
    utterances: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    threshold: float | None = None
    use: str | None = None
    refuse: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSet:
    """Semantic routes and how texts are compared with them.

    alpha : weight of the dense similarity, in [0, 1]: 1 is dense, 0 is sparse, between is hybrid.
    top : a route is as near as the mean of its `top` nearest utterances.
    others : texts that belong to no route, which only fitting and judging look at.
    fitted_with : name of the embedder that the thresholds were fitted with; None where they were not fitted.
    """

    routes: tuple[SemanticRoute, ...]
    alpha: float = ALPHA
    top: int = TOP
    others: tuple[str, ...] = ()
    fitted_with: str | None = None

    def with_thresholds(self, thresholds: Mapping[str, float], fitted_with: str | None) -> RouteSet:
        """Return the same routes with these thresholds, by name."""
        routes = tuple(replace(route, threshold=thresholds[route.name]) for route in self.routes)
        return replace(self, routes=routes, fitted_with=fitted_with)


def load(path: Path) -> RouteSet:
    """Read a file of routes; raises ConfigError with every fault and its place."""
    return parse(read_settings(path), str(path))


def parse(raw: Mapping[str, Any], source: str = "routes") -> RouteSet:
    """Check routes given as a mapping, with the keys of the file; raises ConfigError with every fault and its place."""
    problems = [*_faults("", raw, SET_KEYS)]
    if not problems:
        problems = [*_faults_of_routes(raw["routes"])] or [*_twice(raw)]
    if problems:
        raise ConfigError(problems, source)
    routes = tuple(SemanticRoute(name=name, **_frozen(route)) for name, route in raw["routes"].items())
    return RouteSet(**{**_frozen(raw), "routes": routes})


def dump(routes: RouteSet, suffix: str) -> str:
    """Write routes as TOML or JSON; `parse` reads back the same. Comments of a file they came from are not kept."""
    if suffix not in SUFFIXES:
        raise ConfigError(f"Routes are written to a file ending in {' or '.join(SUFFIXES)}. Got {suffix!r}.")
    settings = _stated(routes, ("alpha", "top", "fitted_with", "others"))
    tables = {route.name: _stated(route, tuple(ROUTE_KEYS)) for route in routes.routes}
    if suffix == ".json":
        return json.dumps({**settings, "routes": tables}, indent=2, ensure_ascii=False) + "\n"
    blocks = [_lines(settings), *(f"[routes.{_key(name)}]\n{_lines(table)}" for name, table in tables.items())]
    return "\n".join(blocks)


def same(text: str) -> str:
    """Return what two texts share that differ only in case and blanks."""
    return " ".join(text.casefold().split())


Faults = Iterator[str]


def _texts(place: str, value: Any) -> Faults:
    if not isinstance(value, list | tuple):
        yield f"{place}: must be a list of texts. Got {value!r}."
        return
    for number, text in enumerate(value):
        if not isinstance(text, str) or not text.strip():
            yield f"{place}.{number}: must be a text that is not blank. Got {text!r}."


def _share(place: str, value: Any) -> Faults:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:
        yield f"{place}: must be a number in [0, 1]. Got {value!r}."


def _count(place: str, value: Any) -> Faults:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        yield f"{place}: must be a whole number from 1. Got {value!r}."


def _word(place: str, value: Any) -> Faults:
    if not isinstance(value, str) or not value.strip():
        yield f"{place}: must be a text that is not blank. Got {value!r}."


def _tables(place: str, value: Any) -> Faults:
    if not isinstance(value, Mapping) or not value:
        yield f"{place}: name at least one, as [{place}.NAME]. Got {value!r}."


Check = Callable[[str, Any], Faults]
SET_KEYS: Mapping[str, Check] = {
    "routes": _tables,
    "alpha": _share,
    "top": _count,
    "others": _texts,
    "fitted_with": _word,
}
ROUTE_KEYS: Mapping[str, Check] = {
    "utterances": _texts,
    "negatives": _texts,
    "examples": _texts,
    "threshold": _share,
    "use": _word,
    "refuse": _word,
}


def _faults(place: str, table: Any, keys: Mapping[str, Check]) -> Faults:
    """Yield the faults of one table: keys that are unknown or missing, and values of the wrong kind."""
    if not isinstance(table, Mapping):
        yield f"{place}: must be a table. Got {table!r}."
        return
    required = next(iter(keys))
    if required not in table:
        yield f"{_inside(place, required)}: is missing."
    for key, value in table.items():
        if key in keys:
            yield from keys[key](_inside(place, key), value)
        else:
            yield f"{_inside(place, key)}: unknown key.{nearest(str(key), keys)} Known: {', '.join(sorted(keys))}."


def _faults_of_routes(routes: Mapping[str, Any]) -> Faults:
    for name, route in routes.items():
        place = f"routes.{name}"
        yield from _faults(place, route, ROUTE_KEYS)
        if isinstance(route, Mapping):
            if route.get("utterances") in ([], ()):
                yield f"{place}.utterances: is empty. Give a few texts that belong to the route."
            if "use" in route and "refuse" in route:
                yield f"{place}: use and refuse exclude each other. Keep one."


def _twice(raw: Mapping[str, Any]) -> Faults:
    """Yield texts that are said to belong to two places, or twice to one."""
    first: dict[str, str] = {}
    for place, text in _labelled(raw):
        before = first.setdefault(same(text), place)
        if before != place:
            yield f"{place}: {text!r} stands at {before} too. Keep one."
    for name, route in raw["routes"].items():
        for number, text in enumerate(route.get("negatives", ())):
            place = first.get(same(text), "")
            if place.startswith((f"routes.{name}.utterances.", f"routes.{name}.examples.")):
                yield f"routes.{name}.negatives.{number}: {text!r} stands at {place} too. Keep one."


def _labelled(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text that has one right answer, with its place."""
    for name, route in raw["routes"].items():
        for key in ("utterances", "examples"):
            for number, text in enumerate(route.get(key, ())):
                yield f"routes.{name}.{key}.{number}", text
    for number, text in enumerate(raw.get("others", ())):
        yield f"others.{number}", text


def _inside(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _frozen(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _stated(source: object, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return what is worth writing: neither None nor an empty list."""
    values = {key: getattr(source, key) for key in keys}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v is not None and v != ()}


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _quoted(name)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + "".join(f"    {_quoted(text)},\n" for text in value) + "]"
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    """Quote a string as JSON does, which TOML reads too once the one control character that JSON leaves is escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
