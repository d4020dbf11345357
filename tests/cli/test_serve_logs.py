"""`switchpoint serve` logs what it is told to, as it is told to."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from tests.cli.test_serve import CONFIG, QUESTION, served

JSON_LINES = CONFIG + '\n[observability]\nlog_requests = true\nlog_format = "json"\n'


def ask(url: str) -> httpx2.Response:
    return httpx2.post(f"{url}/v1/chat/completions", json={"messages": QUESTION}, headers={"x-request-id": "mine-1"})


@pytest.fixture
def said(tmp_path: Path) -> str:
    """What a gateway said that answered one request."""
    with served(tmp_path, JSON_LINES) as process:
        ask(process.wait_for(r"Serving (\S+)/v1:")).raise_for_status()
        process.wait_for(r'("outcome":"answered")')
    return process.said


def test_a_request_is_a_line_with_its_id_and_without_what_was_said(said: str):
    [line] = [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    assert (line["request_id"], line["route"], line["model"]) == ("mine-1", "auto", "mini")
    assert not [words for words in ("2 + 2", "from mini") if words in said]
