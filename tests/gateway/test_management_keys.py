"""Keys and budgets over the management listener, on a real database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from switchpoint.control.database import SqliteFile
from switchpoint.control.keys import digest, well_formed
from switchpoint.control.keystore import KeyStore
from switchpoint.control.spending.budgets import BudgetStore
from switchpoint.gateway.management.app import create_management_app
from switchpoint.gateway.management.keys import KeyManagement
from switchpoint.gateway.service import OpenGate
from tests.gateway.test_management import BEARER, TOKEN, service_of


class Client:
    """Sends JSON with the token."""

    def __init__(self, client: TestClient, database: SqliteFile) -> None:
        self.http, self.database = client, database

    def send(self, method: str, path: str, body: Any = None) -> Any:
        content = json.dumps({} if body is None else body)
        headers = {**BEARER, "content-type": "application/json"}
        return self.http.request(method, path, headers=headers, content=None if method == "GET" else content)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    database = SqliteFile(tmp_path / "control.sqlite")
    paths = KeyManagement(lambda: KeyStore(database), lambda: BudgetStore(database)).paths()
    service = service_of(OpenGate())
    with TestClient(create_management_app(lambda: service, paths, TOKEN), raise_server_exceptions=False) as client:
        yield Client(client, database)


def test_a_key_is_made_and_its_secret_told_this_once(client: Client):
    response = client.send("POST", "/admin/keys", {"name": "search", "team": "web", "routes": ["auto"]})
    made, [listed] = response.json(), client.send("GET", "/admin/keys").json()["data"]

    assert response.status_code == 201
    assert well_formed(made["key"])
    assert {**listed, "key": made["key"]} == made
    assert (made["team"], made["routes"], made["permissions"]) == ("web", ["auto"], ["feedback", "infer", "public"])


def test_only_the_hash_is_kept_and_it_is_not_told(client: Client):
    secret = client.send("POST", "/admin/keys", {"name": "search"}).json()["key"]

    assert [key.digest for key in KeyStore(client.database).all()] == [digest(secret)]
    assert digest(secret) not in client.send("GET", "/admin/keys").text


def test_a_key_is_revoked_and_still_listed(client: Client):
    id = client.send("POST", "/admin/keys", {"name": "search"}).json()["id"]

    assert client.send("DELETE", f"/admin/keys/{id}").json()["disabled"] is True
    assert [key["disabled"] for key in client.send("GET", "/admin/keys").json()["data"]] == [True]


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "x", "permissions": ["root"]}, {"name": "x", "days": 0}, {"name": "x", "tem": 1}],
)
def test_a_key_that_cannot_be_is_refused(client: Client, body: dict[str, Any]):
    assert client.send("POST", "/admin/keys", body).status_code == 400
    assert KeyStore(client.database).all() == []


def test_an_unknown_key_cannot_be_revoked(client: Client):
    assert client.send("DELETE", "/admin/keys/nobody").status_code == 400


def test_a_budget_is_set_in_the_place_of_the_one_before(client: Client):
    for usd in (5, 7.5):
        client.send("PUT", "/admin/budgets", {"scope": "team", "name": "web", "usd": usd, "per": "day"})

    assert client.send("GET", "/admin/budgets").json() == {
        "object": "list",
        "data": [{"object": "switchpoint.budget", "scope": "team", "name": "web", "per": "day", "usd": 7.5}],
        "spent": [],
    }


@pytest.mark.parametrize(
    "body", [{"scope": "planet", "name": "x", "usd": 1}, {"scope": "team", "name": "x", "usd": -1}]
)
def test_a_budget_that_cannot_be_is_refused(client: Client, body: dict[str, Any]):
    assert client.send("PUT", "/admin/budgets", body).status_code == 400
