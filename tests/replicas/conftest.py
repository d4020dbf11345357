"""Replicas over real servers, one configuration with everything on, and an upstream that they call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from switchpoint.control.keys import digest
from switchpoint.records.reader import RecordReader
from tests.fake_openai import FakeOpenAI, answering, failing, silent
from tests.replicas.processes import ADMIN_KEY, Replica, Start, slowly
from tests.stores.servers import (
    PostgresServer,
    RedisServer,
    postgres_server,
    redis_server,
    running_postgres,
    running_redis,
)

__all__ = ["postgres_server", "redis_server", "running_postgres", "running_redis"]

KEYS = {name: f"a key of the tests: {name}" for name in ("acme", "globex", "spender", "hasty")}
"""Secrets of the keys of the configuration, by their ids."""

CONFIG = """
[upstreams.vendor]
base_url = "{base_url}"
api_keys_env = ["VENDOR_KEY_A", "VENDOR_KEY_B"]

[upstreams.frail]
base_url = "{base_url}"

[models.mini]
upstream = "vendor"
input_usd_per_mtok = 1
output_usd_per_mtok = 10
max_output_tokens = 100

[models.big]
upstream = "vendor"
input_usd_per_mtok = 10
output_usd_per_mtok = 100
max_output_tokens = 100

[models.slow]
upstream = "vendor"
input_usd_per_mtok = 1
output_usd_per_mtok = 10
max_output_tokens = 100

[models.mute]
upstream = "vendor"
input_usd_per_mtok = 1
output_usd_per_mtok = 10
max_output_tokens = 100

[models.broken]
upstream = "frail"
input_usd_per_mtok = 1
output_usd_per_mtok = 10
max_output_tokens = 100

[routers.any]
kind = "random"
models = ["mini", "big"]

[engine]
default_model = "mini"
backoff_s = 0.01

[health]
open_s = 60
share_every_s = 0.2

[sessions]
secret_env = "SESSION_SECRET"

[cache]
enabled = true

[gateway]
linger_s = 1.0

[management]
port = 0

[access]
required = true
refresh_s = 1.0
{when_unavailable}

[[access.budgets]]
key = "*"
usd = 1000

[[access.budgets]]
key = "spender"
usd = 0.02
per = "total"

[[access.limits]]
key = "*"
requests_per_min = 1000000
tokens_per_min = 1000000000

[[access.limits]]
key = "hasty"
requests_per_min = 20
"""


def configured(upstream: FakeOpenAI, when_unavailable: str = "local") -> str:
    keys = "".join(
        f'\n[access.keys.{id}]\nsha256 = "{digest(secret)}"\ntenant = "{id}"\n' for id, secret in KEYS.items()
    )
    filled = CONFIG.format(base_url=upstream.base_url, when_unavailable=f'when_unavailable = "{when_unavailable}"')
    return filled + keys


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeOpenAI]:
    behaviours = {
        "mini": answering("From mini."),
        "big": answering("From big."),
        "slow": slowly(answering("From slow.")),
        "mute": silent,
        "broken": failing(500),
    }
    with FakeOpenAI(behaviours) as server:
        yield server


def environment(postgres: PostgresServer, redis: RedisServer) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": redis.url,
        "SESSION_SECRET": "a secret of the tests",
        "SWITCHPOINT_ADMIN_KEY": ADMIN_KEY,
        "VENDOR_KEY_A": "a",
        "VENDOR_KEY_B": "b",
    }


def starting(folder: Path, config: str, variables: dict[str, str], started: ExitStack) -> Start:
    """Return what starts replicas, which end with the stack."""

    def start(config: str = config) -> Replica:
        replica = Replica(folder, config, variables)
        started.callback(replica.end)
        return replica

    return start


@pytest.fixture
def start(
    tmp_path: Path, postgres_server: PostgresServer, redis_server: RedisServer, upstream: FakeOpenAI
) -> Iterator[Start]:
    """Start replicas over two servers that are empty at first."""
    with ExitStack() as started:
        yield starting(tmp_path, configured(upstream), environment(postgres_server, redis_server), started)


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
    running_postgres: PostgresServer,
    running_redis: RedisServer,
    upstream: FakeOpenAI,
) -> Iterator[tuple[Replica, Replica]]:
    """Two replicas for all tests of a module; each test has keys or conversations of its own."""
    for server in (running_postgres, running_redis):
        server.start()
        server.renew()
    variables = environment(running_postgres, running_redis)
    with ExitStack() as started:
        start = starting(tmp_path_factory.mktemp("pair"), configured(upstream), variables, started)
        yield start(), start()


@pytest.fixture
def reader(running_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> RecordReader:
    monkeypatch.setenv("DATABASE_URL", running_postgres.url)
    return RecordReader("env:DATABASE_URL")
