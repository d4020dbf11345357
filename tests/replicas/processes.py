"""Replicas: processes of `switchpoint serve` over one PostgreSQL and one Redis, and what tests do with them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests.fake_openai import Behaviour, Exchange
from tests.stores.servers import PATIENCE_S

ADMIN_KEY = "an admin key of the tests, long enough"
JSON = {"content-type": "application/json"}


class Reply(NamedTuple):
    """What a replica answered."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def record_id(self) -> str:
        return self.headers.get("x-switchpoint-record", "")

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


class Replica:
    """One process of the gateway, in a folder of its own within another."""

    def __init__(self, folder: Path, config: str, environment: Mapping[str, str]) -> None:
        own = Path(tempfile.mkdtemp(dir=folder))
        self.config = own / "switchpoint.toml"
        self.config.write_text(config)
        self.spool = own / "switchpoint-data" / "records.spool"
        command = [sys.executable, "-m", "switchpoint.cli", "serve", "--config", str(self.config), "--port", "0"]
        self._environment = {**os.environ, **environment}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment
        )
        self.said: list[str] = []
        self.management = ""
        self.url = self._address()
        self._rest = threading.Thread(target=self._drain, daemon=True)
        self._rest.start()

    def ask(
        self, text: str, *, key: str | None = None, model: str = "any", session: str | None = None, **more: object
    ) -> Reply:
        """Ask for an answer, as any client does."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        headers = {"x-switchpoint-session": session} if session else {}
        return self.send("/v1/chat/completions", body, key=key, headers=headers)

    def praise(self, record_id: str, key: str | None = None) -> Reply:
        return self.send("/v1/feedback", {"record_id": record_id, "metric": "helpful", "value": 1.0}, key=key)

    def send(
        self, path: str, body: object, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        authorization = {"authorization": f"Bearer {key}"} if key else {}
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {**JSON, **authorization, **(headers or {})}
        )
        return _replied(request)

    def get(self, path: str) -> Reply:
        return _replied(urllib.request.Request(self.url + path))

    def manage(self, path: str, method: str = "GET", body: object = None) -> Reply:
        """Ask the management listener, with the key of the environment."""
        data = None if body is None else json.dumps(body).encode()
        headers = {**JSON, "authorization": f"Bearer {ADMIN_KEY}"}
        return _replied(urllib.request.Request(self.management + path, data, headers, method=method))

    def page(self, path: str) -> bool:
        """Say whether the management listener shows a page."""
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        return _replied(urllib.request.Request(self.management + path, headers=headers), read=_text).status == 200

    def command(self, *arguments: str) -> str:
        """Return what a command of the command line prints in this replica's environment."""
        command = [sys.executable, "-m", "switchpoint.cli", *arguments]
        return subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True).stdout

    def stop(self) -> None:
        """Stop in order: records are written first."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """End it as the machine would."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def end(self) -> None:
        self.kill()
        self._rest.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _address(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("Management: "):
                self.management = line.split()[1].removesuffix(",")
            if line.startswith("Serving "):
                return line.split()[1].removesuffix("/v1:")
        raise RuntimeError("".join(self.said))

    def _drain(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)


def _replied(request: urllib.request.Request, read: Callable[[IO[bytes]], Any] = json.load) -> Reply:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return Reply(response.status, dict(response.headers), read(response))
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, dict(error.headers), read(error))


def _text(file: IO[bytes]) -> str:
    return file.read().decode()


def slowly(behaviour: Behaviour, pause_s: float = 0.3) -> Behaviour:
    """Behave so after a pause."""

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(pause_s)
        await behaviour(exchange)

    return behave


Start = Callable[..., Replica]
"""Starts a replica with a configuration, the usual one if none is given."""


@contextmanager
def load(ask: Callable[[int], Reply], clients: int = 2) -> Iterator[list[Reply]]:
    """Keep asking until the end, and yield the replies; whatever is not answered with 200 fails the test."""
    done = threading.Event()
    failed: list[object] = []
    replies: list[Reply] = []

    def go_on() -> None:
        while not done.is_set() and not failed:
            try:
                reply = ask(len(replies))
            except Exception as error:
                failed.append(error)
                return
            (replies if reply.status == 200 else failed).append(reply)

    threads = [threading.Thread(target=go_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield replies
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failed == []


def at_once(ask: Callable[[int], Reply], calls: int, clients: int = 50) -> list[Reply]:
    """Ask so many times, from so many clients at a time."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(ask, range(calls)))


def wait_for_more(replies: list[Reply], more: int = 30) -> None:
    """Wait until so many more requests were answered."""
    wanted = len(replies) + more
    wait_until(lambda: len(replies) >= wanted)


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(6000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")
