"""Threats 9 and 10: what one tenant asked or was answered, shown to another by the cache or by a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.control.conversations.identity import identify
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.core.session import Claim
from switchpoint.upstreams.cached import key
from tests.security.conftest import ACME, OTHER, SPOKEN, TEXT, Stand, asking, standing

NEAR = (
    TEXT,
    TEXT + " ",
    TEXT.lower(),
    TEXT.replace("a", "а"),  # a letter of the Cyrillic alphabet
    TEXT.replace("W", "Ｗ"),
    TEXT + "\u200b",
    TEXT.replace("2 + 2", "2 +  2"),
    TEXT.replace("2 + 2", "2 + 3"),
    "\u202e" + TEXT,
    TEXT.replace("?", "？"),
)
MODEL = Model(id="m", upstream="fake", upstream_model="m")
ASKED = Query(
    id="q",
    messages=({"role": "system", "content": "Be kind."}, {"role": "user", "content": TEXT}),
    parameters={"temperature": 0, "tools": [{"type": "function", "function": {"name": "clock"}}]},
    tags={"tenant": "acme", "route": "auto"},
)
SECRET = b"a secret of the replicas"
NAMES = st.text(max_size=12)


@pytest.fixture(scope="module")
def caching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("cache"), cache={"enabled": True}) as stand:
        yield stand


def hit(stand: Stand, **asked: Any) -> bool:
    return stand.ask(**asked).headers.get("x-switchpoint-cache") == "hit"


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
@pytest.mark.parametrize("stream", [False, True])
def test_no_near_duplicate_and_no_other_tenant_gets_an_answer_that_was_kept(caching: Stand, dialect: str, stream: bool):
    """Threat 9: every text of the list is asked first by one tenant, then by the other: not one hit in twenty."""
    asked = {"dialect": dialect, "temperature": 0, "stream": stream}
    texts = [f"{dialect}: {text}" for text in NEAR]  # the same question in another dialect is the same question

    assert not [text for text in texts for who in (ACME, OTHER) if hit(caching, text=text, key=who, **asked)]
    assert all(hit(caching, text=text, key=ACME, **asked) for text in texts)


def test_what_is_different_in_any_part_has_another_key():
    """Threat 9: tenant, route, model, system text, tools, every parameter, and the order of messages."""
    other_model = replace(MODEL, parameters={"reasoning_effort": "high"})
    asked = [
        ASKED,
        replace(ASKED, tags={**ASKED.tags, "tenant": "other"}),
        replace(ASKED, tags={**ASKED.tags, "route": "cheap"}),
        replace(ASKED, messages=({"role": "system", "content": "Be rude."}, ASKED.messages[1])),
        replace(ASKED, messages=ASKED.messages[::-1]),
        replace(ASKED, parameters={**ASKED.parameters, "seed": 1}),
        replace(ASKED, parameters={"temperature": 0, "tools": []}),
    ]
    keys = [key(MODEL, each, stream=False) for each in asked]
    keys += [key(other_model, ASKED, stream=False), key(MODEL, ASKED, stream=True)]

    assert all(one != other for one, other in combinations(keys, 2))


@given(one=NAMES, other=NAMES, route=NAMES, beside=NAMES)
def test_no_two_tenants_ever_have_the_same_key(one: str, other: str, route: str, beside: str):
    """Threat 9: whatever the names are, also where one ends as the other begins."""
    first = replace(ASKED, tags={"tenant": one, "route": route + beside})
    second = replace(ASKED, tags={"tenant": other, "route": route})

    if one != other:
        assert key(MODEL, first, stream=False) != key(MODEL, second, stream=False)


@settings(max_examples=200)
@given(one=NAMES, other=NAMES, rung=st.sampled_from(["x-switchpoint-session", "user", "opening"]), value=NAMES)
def test_no_two_tenants_ever_share_a_conversation(one: str, other: str, rung: str, value: str):
    """Threat 10: the same claim, the same opening, any names of tenants."""
    asked = replace(ASKED, claim=Claim(rung, value) if value else None)

    if one != other:
        assert identify(asked, one, SECRET).id != identify(asked, other, SECRET).id


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("claim", [{}, {"x-switchpoint-session": "1"}, {"x-session-id": "1"}])
def test_a_conversation_that_one_tenant_holds_is_new_to_another(tmp_path: Path, dialect: str, claim: dict[str, str]):
    """Threat 10: the model that it was answered by, its topic and its failures included."""
    with standing(tmp_path, sessions={"enabled": True}) as stand:
        _, body = asking(dialect, "auto")
        turns = "input" if dialect == "responses" else "messages"
        said = [{"role": "user", "content": TEXT}]
        grown = [*said, {"role": "assistant", "content": "4"}, {"role": "user", "content": "And 3 + 3?"}]
        body.pop(turns)

        def phase(who: str, messages: list[dict[str, str]]) -> str | None:
            told = stand.ask(dialect, model="ok", key=who, headers=claim, **{turns: messages}).headers
            return told.get("x-switchpoint-session-phase")

        assert phase(ACME, said) == "new" and phase(ACME, grown) == "stay"
        assert phase(OTHER, grown) == "new"
