"""Verifiers as a configuration describes them: made at the start, refused at the start, billed in the record."""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from switchpoint import Switchpoint
from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from switchpoint.verifiers import VERIFIERS
from switchpoint.verifiers.sandbox import Sandbox
from tests.fake_openai import FakeOpenAI

MODELS = {
    "mini": {"upstream": "fake", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1},
    "big": {"upstream": "fake", "input_usd_per_mtok": 10, "output_usd_per_mtok": 10},
    "checker": {"upstream": "fake", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1},
    "wordless": {"upstream": "fake", "can": ["tools"]},
}
JUDGE = {"kind": "judge", "model": "checker"}
YES = "Verification Decision: The AI answer is correct."


def configuration(verifier: dict, says: str = '{"score": 10}', **more: Any) -> dict:
    script = {"mini": ["from mini"], "big": ["from big"], "checker": [says]}
    return {
        "upstreams": {"fake": {"kind": "fake", "script": script}},
        "models": MODELS,
        "verifiers": {"own": verifier},
        "cascades": {"chain": {"models": ["mini", "big"], "verifier": "own", "threshold": 0.5}},
        "records": {"enabled": False},
        **more,
    }


def from_somebody(query: Query, answer: Answer) -> float:
    """A verifier of one's own, named by the configurations of this file."""
    return float(answer.text.startswith("from "))


@pytest.mark.parametrize(
    ("verifier", "says", "answered_by"),
    [
        (JUDGE, '{"score": 9}', "mini"),
        (JUDGE, '{"score": 2}', "big"),
        (JUDGE, "I would not know", "big"),
        ({"kind": "judge", "model": "checker", "rubric": "wit", "low": 0, "high": 4}, '{"score": 2}', "mini"),
        ({"kind": "self_check", "model": "checker", "samples": 2}, YES, "mini"),
        ({"kind": "self_check", "model": "checker", "samples": 2, "scores": [0.9, 0.9, 0.1]}, YES, "big"),
        ({"kind": "reward", "read": "number", "model": "checker"}, "reward:2.5", "mini"),
        ({"kind": "reward", "read": "number", "model": "checker", "slope": -1}, "reward:2.5", "big"),
        ({"kind": "python", "function": "tests.assembly.test_verifiers:from_somebody"}, "", "mini"),
    ],
)
async def test_a_cascade_accepts_what_its_configured_verifier_accepts(
    verifier: dict, says: str, answered_by: str
) -> None:
    async with Switchpoint.of(configuration(verifier, says)) as switchpoint:
        record = await switchpoint.run("hello", "chain")

    assert record.answered_by == answered_by


async def test_what_judging_cost_is_part_of_the_bill() -> None:
    async with Switchpoint.of(configuration(JUDGE)) as switchpoint:
        record = await switchpoint.run("hello", "chain")

    (verdict,) = record.attempts[0].verdicts
    assert (verdict.verifier, verdict.detail) == ("own", "judged 10")
    assert record.cost_usd == record.attempts[0].cost_usd + verdict.cost_usd > record.attempts[0].cost_usd


async def test_a_reward_behind_an_embeddings_endpoint_is_wired_and_its_connection_released() -> None:
    async def one_number(exchange) -> None:
        await exchange.json({"data": [{"index": 0, "embedding": [2.0]}], "usage": {"prompt_tokens": 9}})

    with FakeOpenAI({"rm": one_number}) as server:
        endpoint = {"rm": {"base_url": server.base_url, "dim": 1, "usd_per_mtok": 1}}
        vector = {"kind": "reward", "read": "vector", "embeddings": "rm"}
        async with Switchpoint.of(configuration(vector, embeddings=endpoint)) as switchpoint:
            record = await switchpoint.run("hello", "chain")

    assert record.attempts[0].verdict.score == pytest.approx(1 / (1 + math.exp(-2)))
    assert record.answered_by == "mini"


def test_verifiers_that_need_no_configuration_are_there_by_name() -> None:
    with Switchpoint.of(configuration(JUDGE)) as switchpoint:
        assert set(switchpoint.engine.verifiers) == {*VERIFIERS, "own"}


@pytest.mark.parametrize(
    ("verifier", "said"),
    [
        ({"kind": "judge", "model": "cheker"}, "verifiers.own.model: unknown name 'cheker'. Did you mean 'checker'"),
        ({"kind": "p_true", "model": "wordless"}, "verifiers.own.model: needs log-probabilities, which 'wordless'"),
        ({"kind": "reward", "read": "words", "model": "wordless"}, "verifiers.own.model: needs log-probabilities"),
        ({"kind": "reward", "read": "vector", "model": "checker"}, "verifiers.own: .*'vector' needs embeddings"),
        ({"kind": "reward", "read": "number"}, "verifiers.own: .*'number' needs model"),
        ({"kind": "reward", "read": "vector", "embeddings": "rm"}, "verifiers.own.embeddings: unknown name 'rm'"),
        ({"kind": "judge", "model": "checker", "rubrick": "wit"}, r"verifiers.own\..*rubrick: unknown key"),
        ({"kind": "self_check", "model": "checker", "scores": [0.5, 2]}, r"verifiers.own\..*scores"),
        ({"kind": "jugde"}, "verifiers.own"),
        ({"kind": "judge", "model": "checker", "low": 5, "high": 5}, "verifiers.own: A rubric needs .* a scale"),
        ({"kind": "python", "function": "math:nonsense"}, "verifiers.own: function: 'math' has no 'nonsense'"),
        ({"kind": "python", "function": "math:sqrt"}, "verifiers.own: function: must be callable with a query"),
    ],
)
def test_faults_are_told_at_the_start_with_their_place(verifier: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Switchpoint.of(configuration(verifier))


def test_every_fault_of_every_verifier_is_told_at_once() -> None:
    both = {"own": {"kind": "python", "function": "math:nonsense"}, "two": {"kind": "python", "function": "sqrt"}}

    with pytest.raises(ConfigError, match=r"verifiers\.own: .*; verifiers\.two: "):
        Switchpoint.of(configuration(JUDGE, verifiers=both))


def test_a_verifier_cannot_take_the_name_of_one_that_needs_no_configuration() -> None:
    with pytest.raises(ConfigError, match=r"verifiers\.checks: .* Rename this one"):
        Switchpoint.of(configuration(JUDGE, verifiers={"own": JUDGE, "checks": JUDGE}))


def test_a_cascade_with_an_unknown_verifier_is_told_the_configured_ones() -> None:
    chain = {"models": ["mini", "big"], "verifier": "onw", "threshold": 0.5}

    with pytest.raises(ConfigError, match="unknown name 'onw'. Did you mean 'own'"):
        Switchpoint.of(configuration(JUDGE, cascades={"chain": chain}))


@pytest.mark.parametrize(("form", "answered_by"), [("one_line", "mini"), ("number", "big")])
async def test_a_form_is_checked_as_configured(form: str, answered_by: str) -> None:
    async with Switchpoint.of(configuration({"kind": "format", "form": form})) as switchpoint:
        assert (await switchpoint.run("hello", "chain")).answered_by == answered_by


@pytest.mark.parametrize("works", [True, False])
async def test_the_sandbox_is_tried_at_the_start_also_while_an_event_loop_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    async def check(sandbox: Sandbox) -> None:
        if not works:
            raise ConfigError("no sandbox on this machine")

    monkeypatch.setattr(Sandbox, "check", check)
    tests = tmp_path / "tests.jsonl"
    tests.write_text('{"query": "hello", "tests": ["assert True"]}\n')

    with nullcontext() if works else pytest.raises(ConfigError, match=r"verifiers\.own: no sandbox on this machine"):
        Switchpoint.of(configuration({"kind": "code", "tests": str(tests)}))


def test_tests_that_cannot_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(sandbox: Sandbox) -> None:
        pass

    monkeypatch.setattr(Sandbox, "check", check)

    with pytest.raises(ConfigError, match=r"verifiers\.own: .*missing\.jsonl: cannot be read"):
        Switchpoint.of(configuration({"kind": "code", "tests": str(tmp_path / "missing.jsonl")}))


def test_a_trained_verifier_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("switchpoint.verifiers.learned")

    with pytest.raises(Exception, match="missing"):
        Switchpoint.of(configuration({"kind": "learned", "artifact": str(tmp_path / "missing")}))
