"""Threat 6: a way around whatever looks at keys, or into it."""

from __future__ import annotations

import json
import re
import socket
from inspect import getclosurevars
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.testclient import TestClient

from switchpoint.assembly.management import management_app
from switchpoint.assembly.reload import Live
from switchpoint.core.principal import Permission
from switchpoint.gateway.guard import Guard
from tests.security.conftest import ACME, OTHER, Stand, asking

TOKEN = "a-token-of-thirty-two-characters"
CREDENTIALS = (
    b"Bearer ' OR '1'='1",
    b"Bearer sp-'; DROP TABLE keys; --",
    b'Bearer " UNION SELECT digest FROM keys --',
    b"Bearer %27%20OR%201=1",
    b"Bearer " + b"A" * 30_000,
    b"Bearer " + ACME.encode()[:-1],
    b"Bearer " + ACME.encode() + b"x",
    b"Bearer " + ACME.upper().encode(),
    b"Bearer " + ACME.encode() + b", Bearer " + OTHER.encode(),
    b"Bearer\xc2\xa0" + ACME.encode(),
    b"Bearer \xff\xfe\x80",
    b"Bearer ${jndi:ldap://evil.invalid}",
    b"Bearer {{7*7}}",
    b"Bearer ../../etc/passwd",
    b"Bearer null",
    b"Bearer undefined",
    b"Bearer",
    b"Bearer ",
    b"Basic " + ACME.encode(),
    b"Token " + ACME.encode(),
    ACME.encode(),
    b"",
)


def post(stand: Stand, *lines: bytes) -> tuple[int, bytes]:
    """Ask over a bare socket with these header lines, as no client would write them; return status and body."""
    path, body = asking("chat")
    data = json.dumps(body).encode()
    head = [b"POST %b HTTP/1.1" % path.encode(), b"host: gateway", b"connection: close", *lines]
    host, port = str(stand.client.base_url).removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"\r\n".join([*head, b"content-length: %d" % len(data), b"", data]))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


def is_refused(status: int, body: bytes) -> bool:
    return status == 401 and json.loads(body)["error"]["code"] == "invalid_api_key"


def test_the_key_itself_is_let_in(stand: Stand):
    """Threat 6: else nothing below could fail."""
    assert post(stand, b"authorization: Bearer " + ACME.encode())[0] == 200


CASES = [
    (header, credential)
    for header in (b"authorization", b"x-api-key", b"api-key")
    for credential in CREDENTIALS
    if header == b"authorization" or credential != ACME.encode()  # which is the key itself there
]


@pytest.mark.parametrize(("header", "credential"), CASES, ids=range(len(CASES)))
def test_what_is_no_key_is_refused_and_breaks_nothing(stand: Stand, header: bytes, credential: bytes):
    """Threat 6: never let in, never a 500, and nothing of it in the answer."""
    status, body = post(stand, header + b": " + credential)

    assert is_refused(status, body)
    assert len(credential) < 12 or credential[7:] not in body


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200).filter(lambda value: not set(value) & set(b"\r\n\0")))
def test_no_credential_but_a_key_is_let_in(stand: Stand, credential: bytes):
    """Threat 6: what HTTP itself does not allow in a header is refused by the server, with 400."""
    status, body = post(stand, b"authorization: " + credential)

    assert status == 400 or is_refused(status, body)


@pytest.mark.parametrize("second", [b"x-api-key: sp-other", b"authorization: Bearer sp-other", b"api-key: sp-other"])
def test_of_two_different_keys_none_counts(stand: Stand, second: bytes):
    """Threat 6: a proxy before us might believe the other one."""
    own = b"authorization: Bearer " + ACME.encode()

    assert is_refused(*post(stand, own, second)) and is_refused(*post(stand, second, own))


def test_a_body_has_one_length(stand: Stand):
    """Threat 6: a request whose length two servers read differently (smuggling) is refused."""
    own = b"authorization: Bearer " + ACME.encode()

    status, _ = post(stand, own, b"transfer-encoding: chunked")

    assert status == 400


@pytest.mark.parametrize("field", ["permissions", "role", "user_role", "tenant", "team", "is_admin", "scopes"])
def test_a_field_of_a_request_gives_no_rights(stand: Stand, field: str):
    """Threat 6: what a caller may do is read of his key, never of what he sends."""
    record = stand.record(stand.ask("chat", **{field: "admin"}))

    assert record.tags["tenant"] == record.tags["key"] == "acme"
    assert stand.client.get("/metrics", headers={"authorization": f"Bearer {ACME}"}).status_code == 404


def served_paths(app: object) -> list[Route]:
    """Return every route of an application, under whatever stands around it."""
    while not hasattr(app, "routes"):
        app = getattr(app, "_app", None) or getclosurevars(app).nonlocals["app"]  # type: ignore[arg-type]
    return [route for route in app.routes if isinstance(route, Route)]


@pytest.fixture
def management(stand: Stand) -> object:
    return management_app(Live(stand.switchpoint, lambda: stand.switchpoint.config), TOKEN)


def test_every_path_of_both_listeners_stands_behind_its_guard(stand: Stand, management: object):
    """Threat 6: deny by default. The applications as they are wired, so none is forgotten."""
    found = [*served_paths(stand.switchpoint.app()), *served_paths(management)]

    assert len(found) > 20
    assert all(isinstance(route.app, Guard) and isinstance(route.app.permission, Permission) for route in found)


STARTS = re.compile(r"subprocess|os\.system|os\.exec|pty\.spawn")
WRITING = {
    "/admin/keys": "POST",
    "/admin/keys/acme": "DELETE",
    "/admin/budgets": "PUT",
    "/admin/config/reload": "POST",
    "/admin/config/rollback": "POST",
}


@pytest.mark.parametrize(("path", "method"), WRITING.items())
def test_a_callers_key_cannot_write_its_own_rights(management: object, path: str, method: str):
    """Threat 6: nor anything else of the management listener."""
    body = {"name": "mine", "permissions": ["admin"], "tenant": "acme", "scope": "key", "usd": 1e9}
    with TestClient(management, base_url="http://localhost") as client:  # type: ignore[arg-type]
        response = client.request(method, path, json=body, headers={"authorization": f"Bearer {ACME}"})

    assert response.status_code == 403


def test_no_path_of_a_listener_starts_a_program():
    """Threat 6: what runs code that models wrote is a verifier; no room that serves requests has the means."""
    starts = [path for path in Path("src").rglob("*.py") if STARTS.search(path.read_text())]

    assert starts and {path.parent.name for path in starts} <= {"verifiers", "demo"}
