"""Schemas: does a value obey a JSON Schema. The only place that knows the libraries for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from switchpoint.core.errors import ConfigError

READ_CHARS = 100_000
"""Longer JSON is not checked, which bounds the time."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class Unchecked(Exception):
    """A schema, or a value, of which nothing can be said; the message is one clause."""


@lru_cache(maxsize=1)
def installed() -> bool:
    """Whether the libraries that read schemas are there."""
    return find_spec("jsonschema") is not None and find_spec("re2") is not None


def require() -> None:
    """Raise ConfigError where the libraries are not there."""
    if not installed():
        raise ConfigError(
            "Checking JSON schemas needs jsonschema and google-re2. Run: pip install 'switchpoint[verify]'"
        )


def read_json(text: str) -> Any:
    """Parse strict JSON, without NaN; raises ValueError for what is none, Unchecked for what is too long."""
    if len(text) > READ_CHARS:
        raise Unchecked("the JSON is too long to be checked")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def broken_keyword(value: object, schema: object) -> str | None:
    """Return the keyword of the schema that a value breaks, such as "required"; None if it obeys.

    References are followed inside the schema only, never fetched. Patterns are matched in linear time by RE2; one that
    it does not know (a look-ahead, a back reference) is passed over. "format" is a remark, not a check.

    Raises Unchecked for what is no schema, ConfigError without the libraries.
    """
    require()
    if isinstance(schema, bool):
        return None if schema else "false"
    try:
        validator = _validator(json.dumps(schema, sort_keys=True))
        error = next(iter(validator.iter_errors(value)), None)
    except Exception as cause:  # The schema is the caller's: libraries raise anything for a bad one.
        raise Unchecked("the schema cannot be read") from cause
    return None if error is None else str(error.validator)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    parsed = json.loads(schema)
    kind = validators.validator_for(parsed, default=Draft202012Validator)
    kind.check_schema(parsed)
    safe = validators.extend(
        kind, {"pattern": _pattern, "patternProperties": _pattern_properties, "uniqueItems": _unique}
    )
    return safe(parsed, registry=Registry())


def _pattern(validator: Any, pattern: str, value: object, schema: object) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(value, str) and not searches(pattern, value):
        yield ValidationError("a text does not match its pattern")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], value: object, schema: object) -> Iterator[Any]:
    for pattern, inner in patterns.items() if isinstance(value, Mapping) else ():
        for name, held in value.items() if isinstance(value, Mapping) else ():
            if searches(pattern, name):
                yield from validator.descend(held, inner, path=name, schema_path=pattern)


def _unique(validator: Any, unique: object, value: object, schema: object) -> Iterator[Any]:
    """Compare items as written: the library's own way takes the square of their number. 1 and 1.0 count as two."""
    from jsonschema import ValidationError

    if unique is True and isinstance(value, list):
        written = {json.dumps(item, sort_keys=True) for item in value}
        if len(written) < len(value):
            yield ValidationError("items repeat")


def searches(pattern: str, text: str) -> bool:
    """Whether an RE2 pattern is found in a text; True for a pattern that RE2 does not know."""
    compiled = _compiled(pattern)
    return compiled is None or compiled.search(clean(text)) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(clean(pattern), options)
    except re2.error:
        return None


def full_matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether a whole text matches an RE2 pattern; raises ConfigError for a bad one."""
    require()
    compiled = _compiled(pattern)
    if compiled is None:
        raise ConfigError(f"{pattern!r} is not a regular expression of RE2. Look-around and back references are none.")
    return lambda text: compiled.fullmatch(clean(text)) is not None


def clean(text: str) -> str:
    """Replace lone surrogates, which have no encoding."""
    return _SURROGATE.sub("\ufffd", text)
