"""The management listener: who is let in, from where, and what every path of both applications demands."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from switchpoint.control.keystore import KeyStore
from switchpoint.control.spending.budgets import BudgetStore
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ConfigError, RequestError, Unauthenticated
from switchpoint.core.health import Health
from switchpoint.core.model import Model
from switchpoint.core.principal import CALLERS, Permission, Principal
from switchpoint.core.protocols import Admission
from switchpoint.core.query import Query
from switchpoint.engine.engine import Engine
from switchpoint.gateway.app import Path, create_app, paths
from switchpoint.gateway.management.access import LOOPBACK, OPERATOR, host_of, hosts_of
from switchpoint.gateway.management.app import Management, Version, create_management_app, public_paths
from switchpoint.gateway.management.keys import KeyManagement
from switchpoint.gateway.service import Admitted, OpenGate, Service
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.routes import Routes
from switchpoint.upstreams.fake import Fake

TOKEN = "a-token-of-thirty-two-characters"
JSON = {"content-type": "application/json"}
BEARER = {"authorization": f"Bearer {TOKEN}"}
SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRINCIPALS = {
    b"caller": Principal(id="caller", tenant="acme", permissions=CALLERS),
    b"scraper": Principal(id="scraper", tenant="acme", permissions=frozenset({Permission.METRICS})),
    b"admin": Principal(id="admin", tenant="acme", permissions=frozenset({Permission.ADMIN})),
}


class NoDatabase:
    """Nothing in here may be asked by those who are not let in."""

    def transaction(self) -> Any:
        raise AssertionError("the database was asked")


DATABASE = NoDatabase()


class Keys:
    """A gate that demands one of three keys."""

    async def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        sent = dict(headers).get(b"authorization", b"").removeprefix(b"Bearer ")
        if sent not in PRINCIPALS:
            raise Unauthenticated("No key, or an unknown one.")
        return PRINCIPALS[sent]

    async def admit(self, principal: Principal, route: str, query: Query) -> Admission:
        return Admitted(query)


class Versions:
    """A configuration that only remembers what it was told."""

    def __init__(self) -> None:
        self.found = [Version(number=1, digest="abc", at=SINCE, source="start")]

    def shown(self) -> dict[str, Any]:
        return {"models": {"mini": {}}}

    def versions(self) -> Sequence[Version]:
        return self.found

    async def reload(self, source: str) -> Version:
        self.found.append(Version(number=len(self.found) + 1, digest="def", at=SINCE, source=source))
        return self.found[-1]

    async def rollback(self, number: int | None = None) -> Version:
        if number == 99:
            raise RequestError("There is no version 99 to go back to. Known: 1.", "version")
        return await self.reload(f"rollback to {number}")


class Broken(Versions):
    async def reload(self, source: str) -> Version:
        raise ConfigError("models.mini: is missing.", "switchpoint.toml")


def service_of(gate: Any) -> Service:
    catalog = Catalog([Model(id="mini", upstream="fake", upstream_model="mini")])
    engine = Engine(
        catalog=catalog, upstreams={"fake": Fake({"mini": ["hi"]})}, sink=lambda record: None, default_model="mini"
    )
    only = Fixed("only", catalog, "mini")
    routing = Routes(catalog, {"only": only}, "only", lambda model: only, {})
    return Service(
        engine=engine, routing=routing, add_feedback=lambda said: None, metrics=lambda: b"numbers 1\n", gate=gate
    )


def management_paths(configuration: Any = None) -> list[Path]:
    own = Management(configuration or Versions(), lambda: {"mini": Health(error_rate=0.5)})
    return [*own.paths(), *KeyManagement(lambda: KeyStore(DATABASE), lambda: BudgetStore(DATABASE)).paths()]


@contextmanager
def managed(gate: Any = None, configuration: Any = None, hosts: frozenset[str] | None = None) -> Iterator[TestClient]:
    service = service_of(gate or OpenGate())
    app = create_management_app(lambda: service, management_paths(configuration), TOKEN, hosts)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def asked(client: TestClient, path: Path, headers: dict[str, str]) -> int:
    concrete = path.path.replace("{name:path}", "mini").replace("{id}", "x")
    return client.request(path.method, concrete, headers={**JSON, **headers}, content=b"{}").status_code


INVENTORY = {"main": paths(0), "management": [*public_paths(), *management_paths()]}
BOTH = [(own, path) for own, found in INVENTORY.items() for path in found]
GUARDED = [(own, path) for own, path in BOTH if path.permission is not Permission.PUBLIC]
NAMES = [f"{own} {path.method} {path.path}" for own, path in GUARDED]


@contextmanager
def both() -> Iterator[dict[str, TestClient]]:
    service = service_of(Keys())
    with TestClient(create_app(lambda: service)) as main, managed(Keys()) as management:
        yield {"main": main, "management": management}


def test_only_health_and_documents_are_public():
    public = {path.path for _, path in BOTH if path.permission is Permission.PUBLIC}

    assert all(path.startswith("/health") or path.endswith("openapi.json") for path in public)


def test_every_path_demands_a_permission_of_the_closed_set():
    assert all(isinstance(path.permission, Permission) for _, path in BOTH)


def test_callers_paths_are_on_the_main_listener_and_operators_on_the_other():
    where = {permission: {own for own, path in GUARDED if path.permission is permission} for permission in Permission}

    assert where[Permission.INFER] == where[Permission.FEEDBACK] == {"main"}
    assert where[Permission.ADMIN] == where[Permission.METRICS] == {"management"}


@pytest.mark.parametrize(("own", "path"), GUARDED, ids=NAMES)
def test_nobody_is_served_without_a_key(own: str, path: Path):
    with both() as clients:
        assert asked(clients[own], path, {}) == 401


@pytest.mark.parametrize(("own", "path"), GUARDED, ids=NAMES)
def test_nobody_is_served_with_an_unknown_key(own: str, path: Path):
    with both() as clients:
        assert asked(clients[own], path, {"authorization": "Bearer nobody"}) == 401


@pytest.mark.parametrize(("own", "path"), GUARDED, ids=NAMES)
def test_a_callers_key_is_refused_on_management_paths_alone(own: str, path: Path):
    with both() as clients:
        status = asked(clients[own], path, {"authorization": "Bearer caller"})

    assert (status == 403) == (own == "management")


@pytest.mark.parametrize("headers", [BEARER, {"authorization": f"bearer  {TOKEN}"}, basic(TOKEN), basic(TOKEN, "")])
def test_the_token_opens_it_as_bearer_or_as_password(headers: dict[str, str]):
    with managed() as client:
        assert client.get("/metrics", headers=headers).text == "numbers 1\n"
        assert client.get("/admin/config", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": TOKEN[:-1]},
        {"authorization": "Basic !!!"},
        {"authorization": f"Digest {TOKEN}"},
        {"x-api-key": TOKEN},
        basic(""),
        basic(TOKEN[:-1]),
        basic("x", TOKEN),
    ],
)
def test_nothing_else_does_although_callers_need_no_key(headers: dict[str, str]):
    with managed() as client:
        response = client.get("/metrics", headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic realm=")
    assert TOKEN not in response.text


def test_the_token_is_for_operators_and_buys_no_answers():
    assert OPERATOR.permissions.isdisjoint({Permission.INFER, Permission.FEEDBACK})


def test_a_key_with_the_permission_opens_its_paths_and_no_others():
    with managed(Keys()) as client:
        scraper, admin = {"authorization": "Bearer scraper"}, basic("admin")

        assert client.get("/metrics", headers=scraper).status_code == 200
        assert client.get("/admin/config", headers=scraper).status_code == 403
        assert client.get("/admin/config", headers=admin).status_code == 200
        assert client.get("/metrics", headers=admin).status_code == 403


def test_health_is_for_everybody():
    with managed() as client:
        assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8081", ""])
def test_a_name_that_was_bound_to_our_address_by_somebody_else_is_refused(host: str):
    with managed(hosts=LOOPBACK) as client:
        response = client.get("/metrics", headers={**BEARER, "host": host})

    assert response.status_code == 400
    assert "numbers" not in response.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8081", "127.0.0.1:8081", "[::1]:8081"])
def test_our_own_names_are_served(host: str):
    with managed(hosts=LOOPBACK) as client:
        assert client.get("/metrics", headers={**BEARER, "host": host}).status_code == 200


def test_hosts_are_checked_on_loopback_and_where_names_are_given():
    assert hosts_of("127.0.0.1", ["Ops"]) == LOOPBACK | {"ops"}
    assert hosts_of("0.0.0.0", []) is None
    assert hosts_of("10.0.0.1", ["ops"]) == LOOPBACK | {"ops", "10.0.0.1"}
    assert host_of("[::1]:80") == "::1"


FORMS = [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"]


@pytest.mark.parametrize("kind", FORMS)
def test_what_a_form_of_another_site_can_send_changes_nothing(kind: str | None):
    configuration = Versions()
    with managed(configuration=configuration) as client:
        headers = {**basic(TOKEN), **({} if kind is None else {"content-type": kind})}
        response = client.post("/admin/config/reload", headers=headers, content=b"{}")

    assert response.status_code == 400
    assert len(configuration.found) == 1


def test_the_configuration_is_shown_with_its_version():
    with managed() as client:
        assert client.get("/admin/config", headers=BEARER).json() == {
            "object": "switchpoint.config",
            "number": 1,
            "digest": "abc",
            "at": "2026-03-01T12:00:00Z",
            "source": "start",
            "config": {"models": {"mini": {}}},
        }


def test_a_reload_and_a_rollback_answer_with_the_version_that_is_served():
    with managed() as client:
        again = client.post("/admin/config/reload", headers=BEARER, json={}).json()
        back = client.post("/admin/config/rollback", headers=BEARER, json={"version": 1}).json()
        listed = client.get("/admin/config/versions", headers=BEARER).json()["data"]

    assert (again["number"], again["source"], back["source"]) == (2, "request", "rollback to 1")
    assert [version["number"] for version in listed] == [1, 2, 3]


@pytest.mark.parametrize("body", [{"version": 0}, {"version": "old"}, {"versoin": 1}, {"version": 99}, []])
def test_a_rollback_to_nothing_is_refused(body: Any):
    with managed() as client:
        assert client.post("/admin/config/rollback", headers=BEARER, json=body).status_code == 400


def test_a_configuration_that_cannot_be_used_is_an_error_that_says_why():
    with managed(configuration=Broken()) as client:
        response = client.post("/admin/config/reload", headers=BEARER, json={})

    assert response.status_code == 500
    assert "models.mini: is missing" in response.json()["error"]["message"]


def test_the_health_of_models_is_shown():
    with managed() as client:
        models = client.get("/admin/health", headers=BEARER).json()["models"]

    assert models["mini"]["error_rate"] == 0.5


@pytest.mark.parametrize("path", ["/metrics", "/records", "/", "/admin/config"])
def test_nothing_of_it_is_served_to_callers(path: str):
    service = service_of(OpenGate())
    with TestClient(create_app(lambda: service)) as client:
        assert client.get(path).status_code == 404
