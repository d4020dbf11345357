"""Serving: the application's own beginning and end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ConfigError
from switchpoint.core.model import Model
from switchpoint.core.principal import Permission
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.gateway.app import Path, create_app, endpoint
from switchpoint.gateway.serve import serve, serving
from switchpoint.gateway.service import Service
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.routes import Routes
from switchpoint.upstreams.fake import Fake, Script
from tests.gateway.conftest import USER

MINI = {"mini": ["one two three"]}
SLOW_SERVICE = """
from switchpoint.gateway.serve import serve
from tests.gateway.test_serve import app_of

def tell(*words):
    print(*words, flush=True)

app = app_of(latency_s=0.5, sink=lambda record: tell("recorded", record.outcome))
serve(app, port=0, ready=lambda url: tell(url), close=lambda: tell("closed"))
tell("returned")
"""


def app_of(latency_s: float = 0.0, sink=lambda record: None, script: Script = MINI, **options) -> Starlette:
    catalog = Catalog([Model(id="mini", upstream="fake", upstream_model="mini")])
    engine = Engine(
        catalog=catalog,
        upstreams={"fake": Fake(script, latency_s=latency_s)},
        sink=sink,
        default_model="mini",
    )
    only = Fixed("only", catalog, "mini")
    routes = Routes(catalog, {"only": only}, "only", lambda model: only, {})
    service = Service(engine=engine, routing=routes, add_feedback=lambda feedback: None, metrics=lambda: b"")
    return create_app(lambda: service, **options)


LINGERING_SERVICE = SLOW_SERVICE.replace("port=0", "port=0, linger_s=3600.0")


@contextmanager
def service(code: str = SLOW_SERVICE) -> Iterator[tuple[subprocess.Popen, str]]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def asking(url: str) -> Iterator[None]:
    """Keep a connection open that has sent a request."""
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"messages": [USER]}).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\n")
        connection.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        yield


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_answers_in_progress_end_and_then_closes(number: signal.Signals):
    with service() as (process, url):
        body = {"messages": [USER], "stream": True}
        with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            os.kill(process.pid, number)
            text = "".join(response.iter_text())

        assert text.endswith("data: [DONE]\n\n")
        assert process.stdout.read().split("\n") == ["recorded answered", "closed", "returned", ""]
        assert process.wait() == 0


def test_a_signal_is_told_by_readiness_while_requests_are_still_taken():
    with service(LINGERING_SERVICE) as (process, url), httpx2.Client(base_url=url) as client:
        assert client.get("/health/ready").json() == {"status": "ok"}
        os.kill(process.pid, signal.SIGTERM)

        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
        assert client.get("/health").status_code == 503
        assert client.get("/health/live").status_code == 200
        assert httpx2.post(f"{url}/v1/chat/completions", json={"messages": [USER]}).status_code == 200

        os.kill(process.pid, signal.SIGTERM)  # the second one ends the waiting
        assert process.stdout.read().split() == ["recorded", "answered", "closed", "returned"]


def test_a_port_in_use_is_the_operators_to_mend_and_everything_is_closed():
    closed = []

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="cannot listen on"):
        serve(app_of(), port=taken.getsockname()[1], close=lambda: closed.append(True))

    assert closed == [True]


def test_on_close_runs_once_the_server_has_stopped():
    closed = []

    async def on_close() -> None:
        closed.append(True)

    with serving(app_of(on_close=on_close)):
        assert closed == []
    assert closed == [True]


def test_an_answer_that_does_not_end_is_cancelled_when_the_server_stops():
    records, called = [], threading.Event()

    def script(model: Model, query: Query) -> str:
        called.set()
        return "never said"

    with ExitStack() as stack, serving(app_of(latency_s=3600, script=script, sink=records.append)) as url:
        stack.enter_context(asking(url))
        assert called.wait(5)

    assert [record.outcome for record in records] == ["cancelled"]


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def oops(request: Request) -> PlainTextResponse:
    raise ZeroDivisionError("a secret of the service")


def test_other_routes_are_served_beside_ours():
    with serving(app_of(extra_paths=[Path("/hello", "GET", Permission.PUBLIC, endpoint(hello))])) as url:
        assert httpx2.get(f"{url}/hello").text == "hello"
        assert httpx2.get(f"{url}/health").status_code == 200


def test_a_bug_in_another_route_tells_nothing_and_is_logged(caplog: pytest.LogCaptureFixture):
    with serving(app_of(extra_paths=[Path("/oops", "GET", Permission.PUBLIC, endpoint(oops))])) as url:
        response = httpx2.get(f"{url}/oops")

    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "secret" not in response.text
    assert "ZeroDivisionError" in caplog.text


def test_a_bug_in_the_middle_of_a_stream_ends_it_with_an_error_that_tells_nothing(caplog: pytest.LogCaptureFixture):
    def sink(record: Record) -> None:
        raise ZeroDivisionError("a secret of the service")

    with serving(app_of(sink=sink)) as url:
        response = httpx2.post(f"{url}/v1/chat/completions", json={"messages": [USER], "stream": True})

    last = response.text.rstrip().rpartition("\n\n")[2]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "internal_error"
    assert "secret" not in response.text
    assert "ZeroDivisionError" in caplog.text
