"""Faults that no schema sees: names that refer to nothing, and settings that contradict each other.

It works on the raw file, so that these faults are reported beside all others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from switchpoint.cascades import VERIFIERS
from switchpoint.config.schema import BUILT_IN
from switchpoint.core.errors import nearest

Raw = Mapping[str, Any]

WAYS = ("willingness_usd", "threshold", "strong_share")
"""How a router turns estimates into a choice."""


def faults_of_reference(raw: Raw) -> Iterator[str]:
    """Yield one line for each fault, with its place."""
    if not _names(raw, "models") and isinstance(raw.get("models", {}), Mapping):
        yield "models: name at least one."
    for name in sorted(_names(raw, "routers") & _names(raw, "cascades")):
        yield f"routers.{name}: a cascade has this name too. Rename one."
    yield from _dangling(raw)
    yield from _bad_patterns(raw)
    yield from _missing_secrets(raw)
    yield from _ways(raw)


def _dangling(raw: Raw) -> Iterator[str]:
    for place, name, known in _references(raw):
        if isinstance(name, str) and name not in known:
            listed = ", ".join(sorted(known)) or "none"
            yield f"{place}: unknown name {name!r}.{nearest(name, known)} Known: {listed}."


def _references(raw: Raw) -> Iterator[tuple[str, Any, set[str]]]:
    """Yield every place that names something, the name, and what it may be."""
    models = _names(raw, "models")
    targets = models | _names(raw, "routers") | _names(raw, "cascades") | set(BUILT_IN)
    for name, model in _items(raw, "models"):
        yield f"models.{name}.upstream", model.get("upstream"), _names(raw, "upstreams")
    for name, router in _items(raw, "routers"):
        yield from _router_references(f"routers.{name}", router, models, targets)
    for name, cascade in _items(raw, "cascades"):
        yield f"cascades.{name}.verifier", cascade.get("verifier"), set(VERIFIERS)
        for listed in _list(cascade.get("models")):
            yield f"cascades.{name}.models", listed, models
    yield "engine.default_model", _section(raw, "engine").get("default_model"), models
    yield "engine.baseline_model", _section(raw, "engine").get("baseline_model"), models
    yield "gateway.auto", _section(raw, "gateway").get("auto"), targets


def _router_references(
    place: str, router: Raw, models: set[str], targets: set[str]
) -> Iterator[tuple[str, Any, set[str]]]:
    for key in ("weak", "strong"):
        yield f"{place}.{key}", router.get(key), models
    for listed in (*_list(router.get("models")), *_section(router, "weights")):
        yield f"{place}.models", listed, models
    yield f"{place}.otherwise", router.get("otherwise"), targets
    for index, rule in enumerate(_list(router.get("rules"))):
        if isinstance(rule, Mapping):
            yield f"{place}.rules.{index}.use", rule.get("use"), targets


def _bad_patterns(raw: Raw) -> Iterator[str]:
    for name, router in _items(raw, "routers"):
        for index, rule in enumerate(_list(router.get("rules"))):
            pattern = rule.get("pattern") if isinstance(rule, Mapping) else None
            try:
                re.compile(pattern if isinstance(pattern, str) else "")
            except re.error as error:
                yield f"routers.{name}.rules.{index}.pattern: is not a regular expression: {error}. Got {pattern!r}."


def _missing_secrets(raw: Raw) -> Iterator[str]:
    for name, upstream in _items(raw, "upstreams"):
        variable = upstream.get("api_key_env")
        if isinstance(variable, str) and not os.environ.get(variable):
            yield f"upstreams.{name}.api_key_env: the environment variable {variable} is not set. Export the key in it."


def _ways(raw: Raw) -> Iterator[str]:
    for name, router in _items(raw, "routers"):
        given = [key for key in WAYS if key in router]
        if router.get("kind") in ("utility", "length") and not given:
            ways = WAYS if router["kind"] == "utility" else WAYS[1:]
            yield f"routers.{name}: say how it decides. Give one of {', '.join(ways)}."
        if len(given) > 1:
            yield f"routers.{name}: {' and '.join(given)} are different ways to say one thing. Keep one."


def _section(raw: Raw, name: str) -> Raw:
    found = raw.get(name)
    return found if isinstance(found, Mapping) else {}


def _names(raw: Raw, section: str) -> set[str]:
    return set(_section(raw, section))


def _items(raw: Raw, section: str) -> Iterator[tuple[str, Raw]]:
    for name, value in _section(raw, section).items():
        if isinstance(value, Mapping):
            yield name, value


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
