"""Our own part of a request: the `switchpoint` object of the body, and the headers that mirror it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from switchpoint.core.errors import RequestError, nearest

T = TypeVar("T", bound=msgspec.Struct)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may ask of the routing; see `switchpoint.core.query.Query` for the limits.

    explain : whether the response tells how the model was chosen.
    deadline_ms, deadline_s : the same in two units; of both the shorter counts.
    session : by what name the caller knows the conversation.
    tier, task : the tags of these names, of the user and of what is asked; they win over `tags`.
    cache : "off" for an answer of its own, whatever is kept.
    """

    explain: bool = False
    max_cost_usd: Annotated[float, msgspec.Meta(ge=0)] | None = None
    deadline_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    deadline_ms: Annotated[float, msgspec.Meta(gt=0)] | None = None
    min_quality: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    allow: frozenset[str] | None = None
    tags: dict[str, str] = {}  # msgspec copies it for every instance
    session: Name | None = None
    tier: Name | None = None
    task: Name | None = None
    cache: Literal["on", "off"] = "on"

    @property
    def within_s(self) -> float | None:
        """The time that the caller gives; None is no limit."""
        if self.deadline_ms is None:
            return self.deadline_s
        deadline_s = self.deadline_ms / 1000
        return deadline_s if self.deadline_s is None else min(deadline_s, self.deadline_s)

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags, with those that have an option of their own."""
        own = {"tier": self.tier, "task": self.task}
        return self.tags | {name: value for name, value in own.items() if value is not None}

    def __post_init__(self) -> None:
        for number in (self.max_cost_usd, self.deadline_s, self.deadline_ms, self.min_quality):
            if number is not None and not math.isfinite(number):
                raise ValueError("Expected a finite number")


def _pairs(value: str) -> dict[str, str]:
    """Read "k=v,k=v"."""
    split = (pair.partition("=") for pair in value.split(",") if pair.strip())
    return {key.strip(): tag.strip() for key, _, tag in split}


def _names(value: str) -> list[str]:
    """Read "a,b"."""
    return [name.strip() for name in value.split(",") if name.strip()]


def _cache_control(value: str) -> str | None:
    """Read HTTP's own way to ask for an answer of one's own; its other directives say nothing here."""
    return "off" if "no-store" in value.lower() else None


HEADERS: Mapping[bytes, tuple[str, Callable[[str], object]]] = {
    b"x-switchpoint-explain": ("explain", str),
    b"x-switchpoint-max-cost-usd": ("max_cost_usd", str),
    b"x-switchpoint-deadline-s": ("deadline_s", str),
    b"x-switchpoint-deadline-ms": ("deadline_ms", str),
    b"x-switchpoint-min-quality": ("min_quality", str),
    b"x-switchpoint-session": ("session", str),
    b"x-switchpoint-tier": ("tier", str),
    b"x-switchpoint-task": ("task", str),
    b"x-switchpoint-allow": ("allow", _names),
    b"x-switchpoint-tags": ("tags", _pairs),
    b"x-switchpoint-cache": ("cache", str),
    b"cache-control": ("cache", _cache_control),
}
"""Headers by name, which servers give in lower case: the option, and how its text is read."""


def read_options(asked: object, headers: Iterable[tuple[bytes, bytes]], models: Collection[str]) -> Options:
    """Read the `switchpoint` object and the headers; where both say something, the object wins.

    Raises RequestError for an option that is unknown or of the wrong kind, and for an allowed model that is unknown.
    """
    said: dict[str, Any] = {}
    for name, value in headers:
        if name in HEADERS:
            option, read = HEADERS[name]
            found = read(value.decode("latin-1").strip())
            if found is not None:
                said[option] = found
    if asked is not None:
        if not isinstance(asked, Mapping):
            raise RequestError(f"'switchpoint' must be an object. Got {kind(asked)} instead.", "switchpoint")
        said |= asked
    if not said:
        return DEFAULTS
    options = convert(said, Options, "switchpoint")
    for model in options.allow or ():
        if model not in models:
            raise RequestError(
                f"'switchpoint.allow' names the unknown model {model!r}.{nearest(model, models)} "
                f"Known: {', '.join(models)}.",
                "switchpoint.allow",
            )
    return options


DEFAULTS = Options()


def convert(value: Mapping[str, Any], shape: type[T], name: str) -> T:
    """Turn the object called `name` into a struct; text becomes a number or a truth value where one is expected.

    Raises RequestError, which names the field, what it must be, and for an unknown field the nearest known one.
    """
    known = shape.__struct_fields__
    for field in value:
        if field not in known:
            raise RequestError(
                f"Unknown field {field!r} in {name!r}.{nearest(field, known)} Known: {', '.join(known)}.",
                f"{name}.{field}",
            )
    try:
        return msgspec.convert(value, shape, strict=False)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        field = f"{name}{path.rstrip('`')}"
        raise RequestError(f"{field!r} cannot be used: {problem}.", field) from None


def kind(value: object) -> str:
    """Return what JSON calls the type of a value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, Mapping) else "an array"
