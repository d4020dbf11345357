"""Faults that no schema sees: names that refer to nothing, and settings that contradict each other.

It works on the raw file, so that these faults are reported beside all others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from switchpoint.config.cascade_faults import faults_of_cascades, named_by
from switchpoint.config.routers import BUILT_IN
from switchpoint.core.errors import ConfigError, nearest
from switchpoint.verifiers import VERIFIERS
from switchpoint.verifiers.patterns import bounded

Raw = Mapping[str, Any]

WAYS = ("willingness_usd", "threshold", "strong_share", "quality_floor", "within_of_best", "target_usd_per_1k")
"""How a router turns estimates into a choice."""
WAYS_OF = {"utility": WAYS, "length": WAYS[1:3], "rated": WAYS[:2]}


def faults_of_reference(raw: Raw) -> Iterator[str]:
    """Yield one line for each fault, with its place."""
    if not _names(raw, "models") and isinstance(raw.get("models", {}), Mapping):
        yield "models: name at least one."
    for name in sorted(_names(raw, "routers") & _names(raw, "cascades")):
        yield f"routers.{name}: a cascade has this name too. Rename one."
    for name in sorted(_names(raw, "verifiers") & set(VERIFIERS)):
        yield f"verifiers.{name}: a verifier of this name needs no configuration. Rename this one."
    yield from _dangling(raw)
    yield from faults_of_cascades(_section(raw, "cascades"), _section(raw, "models"))
    yield from _rewards(raw)
    yield from _wordless(raw)
    yield from _bad_patterns(raw)
    yield from _missing_secrets(raw)
    yield from _ways(raw)
    yield from _lost_budgets(raw)
    yield from _blind_limits(raw)
    yield from _semantic_routes(raw)
    yield from _layers(raw)
    yield from _overlaps(raw)


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
    for name, upstream in _items(raw, "upstreams"):
        for listed in _list(upstream.get("upstreams")):
            yield f"upstreams.{name}.upstreams", listed, _names(raw, "upstreams")
    for name, router in _items(raw, "routers"):
        yield from _router_references(f"routers.{name}", router, models, targets)
        yield f"routers.{name}.embeddings", router.get("embeddings"), _names(raw, "embeddings")
        for listed in _list(_section(router, "clear").get("models")):
            yield f"routers.{name}.clear.models", listed, models
    for name, verifier in _items(raw, "verifiers"):
        yield f"verifiers.{name}.model", verifier.get("model"), models
        yield f"verifiers.{name}.embeddings", verifier.get("embeddings"), _names(raw, "embeddings")
    for name, cascade in _items(raw, "cascades"):
        yield from named_by(name, cascade, models, set(VERIFIERS) | _names(raw, "verifiers"))
    yield "engine.default_model", _section(raw, "engine").get("default_model"), models
    yield "engine.baseline_model", _section(raw, "engine").get("baseline_model"), models
    yield "gateway.auto", _section(raw, "gateway").get("auto"), targets


def _router_references(
    place: str, router: Raw, models: set[str], targets: set[str]
) -> Iterator[tuple[str, Any, set[str]]]:
    for key in ("weak", "strong", "rater"):
        yield f"{place}.{key}", router.get(key), models
    for listed in (*_list(router.get("models")), *_section(router, "weights")):
        yield f"{place}.models", listed, models
    yield f"{place}.otherwise", router.get("otherwise"), targets
    for index, rule in enumerate(_list(router.get("rules"))):
        if isinstance(rule, Mapping):
            yield f"{place}.rules.{index}.use", rule.get("use"), targets
    for route, topic in _items(router, "routes"):
        yield f"{place}.routes.{route}.use", topic.get("use"), targets


def _bad_patterns(raw: Raw) -> Iterator[str]:
    for name, router in _items(raw, "routers"):
        for index, rule in enumerate(_list(router.get("rules"))):
            pattern = rule.get("pattern") if isinstance(rule, Mapping) else None
            try:
                bounded(pattern if isinstance(pattern, str) else "")
            except ConfigError as error:
                yield f"routers.{name}.rules.{index}.pattern: {error}"


def _missing_secrets(raw: Raw) -> Iterator[str]:
    called = [(f"{kind}.{name}", each) for kind in ("upstreams", "embeddings") for name, each in _items(raw, kind)]
    for place, section in called:
        named = [("api_key_env", section.get("api_key_env"))]
        named += [("api_keys_env", each) for each in _list(section.get("api_keys_env"))]
        for key, variable in named:
            if isinstance(variable, str) and not os.environ.get(variable):
                yield f"{place}.{key}: the environment variable {variable} is not set. Export the key in it."


def _ways(raw: Raw) -> Iterator[str]:
    for name, router in _items(raw, "routers"):
        # A budget may start from a willingness.
        given = [key for key in WAYS if key in router and not (key == WAYS[0] and "target_usd_per_1k" in router)]
        if router.get("kind") in WAYS_OF and not given:
            ways = WAYS_OF[router["kind"]]
            yield f"routers.{name}: say how it decides. Give one of {', '.join(ways)}."
        if len(given) > 1:
            yield f"routers.{name}: {' and '.join(given)} are different ways to say one thing. Keep one."


def _semantic_routes(raw: Raw) -> Iterator[str]:
    for name, router in _items(raw, "routers"):
        if router.get("kind") not in ("semantic", "layered"):
            continue
        topics = [key for key in ("file", "routes") if key in router]
        if len(topics) > 1 or (not topics and router["kind"] == "semantic"):
            yield f"routers.{name}: give either routes or the file that holds them."
        for route, topic in _items(router, "routes"):
            if ("use" in topic) == ("refuse" in topic):
                yield f"routers.{name}.routes.{route}: say who answers (use) or what the caller is told (refuse)."


def _rewards(raw: Raw) -> Iterator[str]:
    for name, verifier in _items(raw, "verifiers"):
        if verifier.get("kind") != "reward":
            continue
        wanted, other = ("embeddings", "model") if verifier.get("read") == "vector" else ("model", "embeddings")
        if wanted not in verifier or other in verifier:
            yield f"verifiers.{name}: a reward that is read as {verifier.get('read')!r} needs {wanted}, and no {other}."


def _wordless(raw: Raw) -> Iterator[str]:
    """A model whose `can` leaves logprobs out cannot say how probable a word was."""
    for name, verifier in _items(raw, "verifiers"):
        model = _section(_section(raw, "models"), str(verifier.get("model")))
        by_words = verifier.get("kind") == "p_true" or verifier.get("read") == "words"
        if by_words and "can" in model and "logprobs" not in _list(model["can"]):
            yield (
                f"verifiers.{name}.model: needs log-probabilities, which {verifier['model']!r} cannot give (its `can` "
                "does not list logprobs). Name another model, or a verifier that reads words."
            )


def _lost_budgets(raw: Raw) -> Iterator[str]:
    """A rule puts its own name on the decision, so that a budget or cap behind it would never learn what came of it."""
    for name, router in _items(raw, "routers"):
        uses = [*_list(router.get("rules")), *_section(router, "routes").values()]
        for used in [use["use"] for use in uses if isinstance(use, Mapping) and isinstance(use.get("use"), str)]:
            kept = None if router.get("kind") == "layered" else _keeps(raw, used)
            if kept is not None:
                mend = "Give it a willingness_usd" if kept == "target_usd_per_1k" else "Remove that"
                yield (
                    f"routers.{name}: a rule cannot use {used!r}, which keeps a {kept}: what came of its queries would "
                    f"not be told apart. {mend}, or name it in otherwise."
                )


def _layers(raw: Raw) -> Iterator[str]:
    for name, router in _items(raw, "routers"):
        if router.get("kind") != "layered":
            continue
        if not router.keys() & {"file", "routes", "clear"}:
            yield f"routers.{name}: it has one layer only. Give routes, clear, or both."
        if "clear" in router and not router.keys() & {"willingness_usd", "target_usd_per_1k"}:
            yield f"routers.{name}: say what quality is worth, for clear. Give willingness_usd or target_usd_per_1k."


def _overlaps(raw: Raw) -> Iterator[str]:
    """A layered router steers and counts whatever is behind it, so nothing there may do so too."""
    for name, router in _items(raw, "routers"):
        if router.get("kind") != "layered":
            continue
        for used in sorted(_behind(raw, name) - {name}):
            if (kept := _keeps(raw, used)) is not None:
                yield (
                    f"routers.{name}: {used!r}, which it uses, keeps a {kept} of its own, and the two would overlap. "
                    f"Remove that one; {name!r} may keep one for all of its layers."
                )


def _keeps(raw: Raw, name: str) -> str | None:
    """Return the key by which a router or cascade keeps to a mean over its queries; None where it does not."""
    section = {**_section(raw, "routers"), **_section(raw, "cascades")}.get(name)
    keys = ("target_usd_per_1k", "max_escalation_share")
    return next((key for key in keys if isinstance(section, Mapping) and section.get(key) is not None), None)


def _behind(raw: Raw, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return a router and all that it may hand a query on to; a circle is a fault found elsewhere."""
    router = _section(_section(raw, "routers"), name)
    uses = [*_list(router.get("rules")), *_section(router, "routes").values()]
    named = {router.get("otherwise"), *(use.get("use") for use in uses if isinstance(use, Mapping))}
    further = {each for each in named if isinstance(each, str)} - seen - {name}
    return {name}.union(*(_behind(raw, each, seen | {name}) for each in further))


def _blind_limits(raw: Raw) -> Iterator[str]:
    for name, router in _items(raw, "routers"):
        if router.get("max_latency_s") is not None and router.get("artifact", "bundled") == "bundled":
            yield (
                f"routers.{name}.max_latency_s: the bundled router knows no latencies, so it would limit nothing. Name "
                "an artifact that was trained on outcomes with latency_s."
            )


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
