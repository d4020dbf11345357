"""The pages over HTTP are read-only, and guarded by a strict policy."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from switchpoint.dashboard.app import HEADERS, routes
from switchpoint.records.reader import RecordReader

Fill = Callable[..., RecordReader]


@pytest.fixture
def client(fill: Fill) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes(fill(n=60)))) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/records", "/records?before=rec-30", "/records/rec-07"])
def test_pages_are_served(client: TestClient, path: str):
    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/records/nobody", "/records?before=nobody", "/records/rec"])
def test_what_is_not_there_is_a_page_that_says_so(client: TestClient, path: str):
    response = client.get(path)

    assert response.status_code == 404
    assert "Not found" in response.text


def test_the_beginning_of_an_id_is_enough(client: TestClient, fill: Fill):
    assert "rec-59" in client.get("/records/rec-59").text


@pytest.mark.parametrize("path", ["/records", "/records/rec-07", "/records/nobody"])
def test_every_page_carries_the_security_headers(client: TestClient, path: str):
    headers = client.get(path).headers

    assert {name: headers[name] for name in HEADERS} == HEADERS


def test_the_policy_allows_this_style_sheet_and_nothing_else(client: TestClient):
    response = client.get("/records")
    style = response.text.split("<style>")[1].split("</style>")[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()

    policy = response.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(client: TestClient, method: str):
    assert client.request(method, "/records").status_code == 405
    assert client.request(method, "/records/rec-07").status_code == 405


def test_the_pages_can_be_mounted_anywhere(fill: Fill):
    application = Starlette(routes=[Mount("/inside", routes=routes(fill(n=60)))])
    with TestClient(application) as client:
        home = client.get("/inside/")

        assert home.url.path == "/inside/records"
        assert client.get(str(home.url.join("records/rec-59"))).status_code == 200
