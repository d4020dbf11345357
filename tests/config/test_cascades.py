"""The sections of cascades: every fault at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchpoint.config.cascades import AgreementSection, IndexSection, ThresholdCascadeSection
from switchpoint.config.read import load, parse
from switchpoint.core.errors import ConfigError

BLIND = {"upstream": "local", "can": ["tools"]}
MODELS = {"mini": {"upstream": "local"}, "mid": {"upstream": "local"}, "big": {"upstream": "local"}, "blind": BLIND}


def raw(**cascade: object) -> dict[str, object]:
    return {
        "upstreams": {"local": {"base_url": "http://127.0.0.1:1/v1"}},
        "models": MODELS,
        "verifiers": {"mine": {"kind": "python", "function": "m:f"}},
        "cascades": {"c": cascade},
    }


def problems(**cascade: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(raw(**cascade))
    return caught.value.problems


THREE = {"models": ["mini", "mid", "big"], "verifier": "checks", "threshold": 0.5}
AGREE = {"kind": "agreement", "voters": ["mini", "mid"], "final": "big"}
ALL = {"kind": "ensemble", "models": ["mini", "mid"]}
INDEX = {"kind": "index", "models": ["mini", "big"], "verifier": "checks", "willingness_usd": 0.1}


@pytest.mark.parametrize(
    "cascade",
    [
        THREE,
        {**THREE, "threshold": [0.5, 0.9], "verifier": ["checks", "mine"]},
        {**THREE, "kind": "prefix", "prefix_tokens": 20},
        AGREE,
        {**AGREE, "voters": ["mini"], "most": 4, "confidence": 0.9},
        {**AGREE, "voters": ["mini", "mini"]},
        ALL,
        {**ALL, "combine": "best", "verifier": "mine"},
        {**ALL, "combine": "fuse", "model": "big", "models": ["mini", "mini"]},
        INDEX,
        {"kind": "trained", "artifact": "folder"},
        {**THREE, "verifier": "confidence", "models": ["mini", "mid", "blind"]},
    ],
)
def test_a_right_section_is_read(cascade: dict[str, object]) -> None:
    assert parse(raw(**cascade)).cascades["c"].kind == cascade.get("kind", "threshold")


def test_a_cascade_without_a_kind_has_thresholds() -> None:
    assert isinstance(parse(raw(**THREE)).cascades["c"], ThresholdCascadeSection)
    assert isinstance(parse(raw(**AGREE)).cascades["c"], AgreementSection)


@pytest.mark.parametrize(
    ("cascade", "told"),
    [
        ({**THREE, "kind": "treshold"}, "cascades.c: Input tag 'treshold'"),
        ({**THREE, "models": ["mini", "bigg"]}, "cascades.c.models: unknown name 'bigg'. Did you mean 'big'?"),
        ({**THREE, "verifier": ["checks", "mien"]}, "cascades.c.verifier: unknown name 'mien'. Did you mean 'mine'?"),
        ({**THREE, "verifier": "mien"}, "cascades.c.verifier: unknown name 'mien'. Did you mean 'mine'?"),
        ({**THREE, "models": ["mini", "mid", "mini"]}, "cascades.c.models: names 'mini' twice"),
        ({**INDEX, "models": ["mini", "mini"]}, "cascades.c.models: names 'mini' twice"),
        ({**THREE, "threshold": [0.5]}, "cascades.c.threshold: give one number, or one for each model but the last: 2"),
        ({**THREE, "treshold": 0.5}, "cascades.c.treshold: unknown key. Did you mean 'threshold'?"),
        ({**AGREE, "voters": ["mini", "mdi"]}, "cascades.c.voters: unknown name 'mdi'. Did you mean 'mid'?"),
        ({**AGREE, "final": "bigg"}, "cascades.c.final: unknown name 'bigg'. Did you mean 'big'?"),
        ({**AGREE, "final": "mini"}, "cascades.c.final: 'mini' is a voter too."),
        ({**AGREE, "lead": 3}, "cascades.c.lead: 2 opinions never lead by 3."),
        ({**AGREE, "lead": 2, "confidence": 0.9}, "cascades.c: lead and confidence are different ways"),
        ({**AGREE, "confidence": 0.5}, "cascades.c.confidence: Input should be greater than 0.5. Got 0.5."),
        ({**ALL, "combine": "best"}, "cascades.c.verifier: is missing; combine = 'best' needs it."),
        ({**ALL, "combine": "rank"}, "cascades.c.model: is missing; combine = 'rank' needs it."),
        ({**ALL, "model": "big"}, "cascades.c.model: combine = 'vote' has no use for it."),
        ({**ALL, "combine": "fuse", "model": "bigg"}, "cascades.c.model: unknown name 'bigg'. Did you mean 'big'?"),
        ({**THREE, "verifier": "confidence", "models": ["blind", "big"]}, "which 'blind' cannot give"),
        ({**INDEX, "verifier": "confidence", "models": ["mini", "blind"]}, "which 'blind' cannot give"),
    ],
)
def test_a_fault_is_told_with_its_place(cascade: dict[str, object], told: str) -> None:
    assert any(told in problem for problem in problems(**cascade)), problems(**cascade)


def test_all_faults_are_told_at_once() -> None:
    found = problems(models=["mini", "mini", "bigg"], verifier=["chekcs", "mien"], threshold=[0.5, 0.5, 2])

    assert len(found) == 6, found
    assert found[0].startswith("cascades.c.threshold.2: Input should be less than or equal to 1")


@pytest.mark.parametrize("section", ["text", 3, None, {"models": 3, "verifier": 4, "threshold": "x", "voters": {}}])
def test_what_is_of_the_wrong_type_is_told_and_breaks_nothing(section: object) -> None:
    with pytest.raises(ConfigError, match="cascades.c"):
        parse({**raw(), "cascades": {"c": section}})


def test_an_artifact_is_relative_to_the_file_and_the_bundled_one_is_not_a_path(tmp_path: Path) -> None:
    path = tmp_path / "switchpoint.toml"
    text = '[upstreams.u]\nbase_url = "http://127.0.0.1:1/v1"\n[models]\na.upstream = "u"\nb.upstream = "u"\n'
    index = 'kind = "index"\nmodels = ["a", "b"]\nverifier = "checks"\nwillingness_usd = 1\n'
    path.write_text(f'{text}[cascades.i]\n{index}[cascades.j]\n{index}artifact = "mine"\n')

    cascades = load(path).cascades

    artifacts = [section.artifact for section in cascades.values() if isinstance(section, IndexSection)]
    assert artifacts == ["bundled", str(tmp_path / "mine")]
