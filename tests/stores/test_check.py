"""`switchpoint check` says whether the stores answer, and changes nothing in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from switchpoint.cli.app import run
from tests.stores.servers import PostgresServer, RedisServer

CONFIG = """
[upstreams.scripted]
kind = "fake"
script = { mini = ["hello"] }

[models.mini]
upstream = "scripted"
"""


@pytest.fixture
def facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Check a configuration, and return what is said of it."""

    def check() -> dict[str, Any]:
        config = tmp_path / "switchpoint.toml"
        config.write_text(CONFIG)
        assert run(["check", "--json", "--config", str(config)]) == 0
        return json.loads(capsys.readouterr().out)

    return check


def test_a_store_that_no_variable_names_is_not_used(facts, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)

    assert facts()["stores_answer"] == {"postgresql": None, "redis": None}


def test_stores_that_answer_and_those_that_do_not_are_told_apart(
    facts, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer, redis_server: RedisServer
):
    monkeypatch.setenv("DATABASE_URL", postgres_server.url)
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    redis_server.kill()

    said = facts()

    assert said["stores_answer"] == {"postgresql": True, "redis": False}
    assert said["records"] == "PostgreSQL"
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
