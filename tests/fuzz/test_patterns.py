"""No pattern of the package takes more than linear time on what callers or upstreams write, or its input is bounded."""

from __future__ import annotations

import pytest

from tests.fuzz.shapes import Found, faults, patterns

DECIDING = {"core", "estimators", "routers", "cascades", "verifiers"}
ACTING = {"dialects", "gateway", "upstreams", "control", "engine", "records"}
FOUND = sorted(set(patterns("switchpoint", DECIDING | ACTING)), key=repr)

JUSTIFIED = {
    ("core.conclusion", "-?[$£€]?"): "nothing after its first digit must be there, so it never takes back",
    ("routers.routes", "(?P<route>.+)"): "the names of models are at most max_name_chars long",
    ("routers.routes", "router-(?P<name>"): "the names of models are at most max_name_chars long",
    ("verifiers.equations", "(?P<number>"): "what a repeat gives back, a comma or a point, none of the others takes",
    ("verifiers.judge", r"\**(?:score"): "it is asked for a whole line, of which it reads the beginning once",
}
"""By module and beginning of the pattern: why one that is not linear by its shape may stand."""


def reason(found: Found) -> str | None:
    text = found.pattern if isinstance(found.pattern, str) else found.pattern.decode()
    known = (why for (where, start), why in JUSTIFIED.items() if found.where.endswith(where) and text.startswith(start))
    return next(known, None)


@pytest.mark.parametrize("found", FOUND, ids=lambda found: f"{found.where}-{str(found.pattern)[:30]}")
def test_a_pattern_is_linear_or_justified(found: Found):
    assert not faults(found) or reason(found), f"{found.where}: {found.pattern!r}: {faults(found)}"


def test_every_justification_is_needed():
    assert {reason(found) for found in FOUND if faults(found)} == set(JUSTIFIED.values())


def test_the_patterns_are_found():
    assert len(FOUND) > 50


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+b", r"(?:a*)*", r"a+a+b", r"\s+x", r"\w*\d", r"(\w+\s?)*:", r"x.*.*y", r"(?:a|b+)+c", r"a+\.?a+x"],
)
def test_a_shape_that_can_take_long_is_seen(pattern: str):
    assert faults(Found("here", pattern))


@pytest.mark.parametrize("pattern", [r"a+", r"x\d+\.\d+", r"^\s*x", r"[a-z]{1,20}\d", r"\bfoo\s*:\s*bar", r"'[^']*'"])
def test_a_linear_shape_is_left_alone(pattern: str):
    assert faults(Found("here", pattern)) == []
