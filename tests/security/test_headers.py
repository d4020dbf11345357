"""Threat 4: a caller passes for somebody else, or for a part of the gateway, by a header."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.gateway.options import HEADERS
from tests.security.conftest import ACME, DIALECTS, VENDOR_KEY, Stand

DOCS = "".join(path.read_text() for path in Path("docs").rglob("*.md"))
SPOOFS = (
    *(f"x-switchpoint-{name}" for name in ("tenant", "key", "team", "route", "model", "upstream", "record", "health")),
    *("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "x-original-url", "x-rewrite-url"),
    *("x-http-method-override", "x-base-url", "x-api-base", "x-upstream-key", "proxy-authorization", "cookie"),
    *("te", "keep-alive", "proxy-connection", "x-authz-user-id", "x-user-role", "openai-organization", "via"),
)
BECOMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=24).map("x-switchpoint-{}".format)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", SPOOFS)
def test_a_header_that_is_not_ours_changes_nothing_and_goes_nowhere(stand: Stand, name: str, dialect: str):
    """Threat 4."""
    assert stand.reached(dialect, headers={name: "spoofed"}) == stand.reached(dialect)


@settings(max_examples=60, deadline=None)
@given(BECOMES.filter(lambda name: name.encode() not in HEADERS))
def test_no_undocumented_header_of_our_own_name_has_an_effect(stand: Stand, name: str):
    """Threat 4."""
    assert stand.reached("chat", headers={name: "large"}) == stand.reached("chat")


@pytest.mark.parametrize("name", [name.decode() for name in HEADERS if name.startswith(b"x-switchpoint-")])
def test_every_header_that_has_an_effect_is_documented(name: str):
    """Threat 4."""
    assert name in DOCS.lower()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_caller_shows_to_us_never_reaches_an_upstream(stand: Stand, dialect: str):
    """Threat 4: neither his key nor his cookies nor what he tells the gateway of himself."""
    own = {"cookie": "crumbs", "x-api-key": ACME, "x-mine": "crumbs", "x-switchpoint-session": "crumbs"}

    headers, body = stand.reached(dialect, headers=own)

    assert ACME not in str((headers, body)) and "crumbs" not in str((headers, body))
    assert headers["authorization"] == f"Bearer {VENDOR_KEY}"


@pytest.mark.parametrize("tag", ["tenant", "key", "team"])
@pytest.mark.parametrize("place", ["header", "body"])
def test_a_caller_with_a_key_cannot_say_whose_he_is(stand: Stand, tag: str, place: str):
    """Threat 4: tags that the gate writes are the gate's, wherever the caller puts his own."""
    by_header = {"headers": {"x-switchpoint-tags": f"{tag}=root"}}
    said = by_header if place == "header" else {"switchpoint": {"tags": {tag: "root"}}}

    record = stand.record(stand.ask("chat", **said))

    assert "root" not in record.tags.values() and record.tags["tenant"] == record.tags["key"] == "acme"
