"""From a file to a checked configuration: all faults at once, each with its place."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from switchpoint.config.cascades import CascadeSection, IndexSection, TrainedCascadeSection
from switchpoint.config.inline import with_route_files
from switchpoint.config.references import faults_of_reference
from switchpoint.config.routers import LayeredRouter, RatedRouter, Router, UtilityRouter
from switchpoint.config.schema import Config
from switchpoint.config.upstreams import ReplayUpstream
from switchpoint.core.errors import ConfigError, nearest


def load(path: Path) -> Config:
    """Read a configuration file; raises ConfigError with every fault and its place. Paths in it are relative to it."""
    return parse(_raw(path), str(path), path.parent)


def load_sections(path: Path, names: Collection[str]) -> Config:
    """Read these sections of a file alone, as if there were no others: so that no vendor's key must be at hand.

    Raises ConfigError as `load` does.
    """
    raw = {name: section for name, section in _raw(path).items() if name in names}
    try:
        config = Config.model_validate({**NOBODY, **raw})
    except ValidationError as error:
        raise ConfigError([_problem(fault) for fault in error.errors()], str(path)) from None
    return _with_paths(config, path.parent)


NOBODY: Mapping[str, Any] = MappingProxyType({"upstreams": {}, "models": {}})


def _raw(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("there is no such file. Write one, or start without --config.", str(path)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", str(path)) from error


def parse(raw: Mapping[str, Any], source: str = "configuration", base: Path = Path()) -> Config:
    """Check a configuration; raises ConfigError with every fault and its place."""
    config = None
    raw, problems = with_route_files(raw, base)
    try:
        config = Config.model_validate(_with_kinds(raw))
    except ValidationError as error:
        problems += [_problem(fault) for fault in error.errors()]
    problems += list(faults_of_reference(raw))
    if problems or config is None:
        raise ConfigError(problems, source)
    return _with_paths(config, base)


def _with_kinds(raw: Mapping[str, Any]) -> dict[str, Any]:
    """An upstream without a kind is OpenAI-compatible, a cascade has thresholds; the discriminator must see it."""
    filled = dict(raw)
    for section, kind in (("upstreams", "openai"), ("cascades", "threshold")):
        named = raw.get(section)
        if isinstance(named, Mapping):
            filled[section] = {n: {"kind": kind, **s} if isinstance(s, Mapping) else s for n, s in named.items()}
    return filled


def _with_paths(config: Config, base: Path) -> Config:
    """Make paths absolute, so that a record's hash does not depend on where the gateway was started."""
    records = config.records.model_copy(update={"path": (base / config.records.path).absolute()})
    upstreams = {
        name: u.model_copy(update={"data": (base / u.data).absolute()}) if isinstance(u, ReplayUpstream) else u
        for name, u in config.upstreams.items()
    }
    routers = {
        name: r.model_copy(update={"artifact": str((base / r.artifact).absolute())})
        if isinstance(r, UtilityRouter | RatedRouter) and r.artifact not in (None, "bundled")
        else r
        for name, r in ((name, _with_clear_path(r, base)) for name, r in config.routers.items())
    }
    verifiers = {
        name: v.model_copy(update={key: (base / getattr(v, key)).absolute() for key in PATHS & v.model_fields_set})
        for name, v in config.verifiers.items()
    }
    cascades = {name: _with_cascade_path(c, base) for name, c in config.cascades.items()}
    changed = {
        "records": records,
        "access": config.access.model_copy(update={"path": (base / config.access.path).absolute()}),
        "upstreams": upstreams,
        "routers": routers,
        "verifiers": verifiers,
        "cascades": cascades,
    }
    return config.model_copy(update=changed)


def _with_clear_path(router: Router, base: Path) -> Router:
    """The artifact of a layered router is its clear layer's."""
    if not isinstance(router, LayeredRouter) or router.clear is None or router.clear.artifact == "bundled":
        return router
    clear = router.clear.model_copy(update={"artifact": str((base / router.clear.artifact).absolute())})
    return router.model_copy(update={"clear": clear})


def _with_cascade_path(cascade: CascadeSection, base: Path) -> CascadeSection:
    """An index reads a router's artifact, which may be the bundled one; a trained cascade has its own."""
    match cascade:
        case IndexSection(artifact=artifact) if artifact != "bundled":
            return cascade.model_copy(update={"artifact": str((base / artifact).absolute())})
        case TrainedCascadeSection(artifact=folder):
            return cascade.model_copy(update={"artifact": (base / folder).absolute()})
    return cascade


def _problem(fault: Any) -> str:
    keys = [str(key) for key in fault["loc"]]
    place = ".".join(keys[:2] + keys[3:] if _has_tag(keys) else keys)
    if fault["type"] == "extra_forbidden":
        known = sorted(_fields_at(keys[:-1]))
        return f"{place}: unknown key.{nearest(keys[-1], known)} Known: {', '.join(known)}."
    if fault["type"] == "missing":
        return f"{place}: is missing."
    got = "" if isinstance(fault["input"], Mapping) else f" Got {fault['input']!r}."
    return f"{place}: {fault['msg']}.{got}"


PATHS = frozenset({"artifact", "tests"})
"""Keys of a verifier that name a file or a folder."""

TAGS = frozenset(
    {
        "openai",
        "anthropic",
        "gemini",
        "any_llm",
        "balanced",
        "fake",
        "replay",
        "cheapest",
        "best",
        "random",
        "length",
        "utility",
        "rated",
        "rules",
        "semantic",
        "layered",
    }
    | {"threshold", "prefix", "agreement", "ensemble", "index", "trained"}
    | {"self_check", "p_true", "judge", "reward", "python", "format", "code", "learned"}
)


PLURAL = frozenset({"routers", "upstreams", "verifiers", "cascades"})
"""Sections of several kinds."""


def _has_tag(keys: list[str]) -> bool:
    """Pydantic puts the kind of a section into the place as a third key; a person did not write it."""
    return len(keys) > 3 and keys[0] in PLURAL and keys[2] in TAGS


def _fields_at(keys: list[str]) -> set[str]:
    """The keys that are known at a place: walk the annotations of the sections down to it."""
    found: Any = Config
    for key in keys:
        found = _step(found, key)
    return set(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else set()


def _step(found: Any, key: str) -> Any:
    if isinstance(found, type) and issubclass(found, BaseModel):
        return found.model_fields[key].annotation if key in found.model_fields else None
    if get_origin(found) is Annotated:
        found = get_args(found)[0]
    if get_origin(found) in (dict, list):
        return get_args(found)[-1]
    kinds = [option for option in get_args(found) if key in _kinds(option)]
    return kinds[0] if kinds else None


def _kinds(section: Any) -> tuple[str, ...]:
    return get_args(section.model_fields["kind"].annotation)
