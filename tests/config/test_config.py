"""switchpoint.toml: read whole, checked whole, every fault at once with its place."""

from pathlib import Path

import pytest

from switchpoint.config.read import load, parse
from switchpoint.config.schema import Config
from switchpoint.config.section import Section
from switchpoint.core.errors import ConfigError

GOOD = {
    "upstreams": {"local": {"base_url": "http://127.0.0.1:1/v1"}},
    "models": {"mini": {"upstream": "local"}, "big": {"upstream": "local", "tier": "strong"}},
    "routers": {"auto2": {"kind": "utility", "strong_share": 0.3}},
    "cascades": {"careful": {"models": ["mini", "big"], "verifier": "checks", "threshold": 0.5}},
    "gateway": {"auto": "careful"},
}


def with_(section: str, **content: object) -> dict:
    return {**GOOD, section: {**GOOD.get(section, {}), **content}}


def problems(raw: dict) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(raw)
    return caught.value.problems


def test_a_right_configuration_is_read() -> None:
    config = parse(GOOD)

    assert list(config.models) == ["mini", "big"]
    assert config.upstreams["local"].kind == "openai"


def test_all_faults_are_reported_at_once() -> None:
    found = problems(
        {
            "upstreams": {"a": {"base_ur": "x"}},
            "models": {"m": {"upstream": "b", "input_usd_per_mtok": -1}},
            "gatewya": {},
        }
    )

    assert len(found) == 5
    assert "upstreams.a.base_ur: unknown key. Did you mean 'base_url'?" in found[1]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (with_("gateway", prot=1), "gateway.prot: unknown key. Did you mean 'port'?"),
        (with_("gateway", port="x"), "gateway.port: Input should be a valid integer"),
        (with_("gateway", auto="carefull"), "gateway.auto: unknown name 'carefull'. Did you mean 'careful'?"),
        (with_("engine", default_model="bigg"), "engine.default_model: unknown name 'bigg'. Did you mean 'big'?"),
        (with_("models", x={"upstream": "loccal"}), "models.x.upstream: unknown name 'loccal'. Did you mean 'local'?"),
        (with_("models", x={"upstream": "local", "tier": "huge"}), "models.x.tier: Input should be 'weak', 'mid' or"),
        (with_("routers", r={"kind": "utility"}), "routers.r: say how it decides"),
        (with_("routers", r={"kind": "utility", "threshold": 1, "strong_share": 1}), "are different ways to say one"),
        (with_("routers", r={"kind": "utility", "threshhold": 1}), "Did you mean 'threshold'?"),
        (with_("routers", careful={"kind": "best"}), "routers.careful: a cascade has this name too"),
        (
            with_("routers", r={"kind": "rules", "otherwise": "no", "rules": []}),
            "routers.r.otherwise: unknown name 'no'",
        ),
        (with_("cascades", c={"models": ["mini"], "verifier": "checks", "threshold": 1}), "cascades.c.models: List"),
        (
            with_("cascades", c={"models": ["mini", "big"], "verifier": "chekcs", "threshold": 1}),
            "Did you mean 'checks'",
        ),
        (with_("upstreams", g={"kind": "gemini", "base_ur": "x"}), "upstreams.g.base_ur: unknown key. Did you mean"),
        (with_("upstreams", b={"kind": "balanced"}), "upstreams.b.upstreams: is missing."),
        ({"upstreams": {}, "models": {}}, "models: name at least one."),
        ({}, "models: is missing."),
    ],
)
def test_a_fault_is_told_with_its_place(raw: dict, told: str) -> None:
    assert any(told in problem for problem in problems(raw)), problems(raw)


def test_a_bad_pattern_is_told() -> None:
    rule = {"name": "r", "use": "mini", "pattern": "("}

    found = problems(with_("routers", r={"kind": "rules", "otherwise": "big", "rules": [rule]}))

    assert "routers.r.rules.0.pattern: is not a regular expression" in found[0]


def test_a_missing_key_names_its_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)

    found = problems(with_("upstreams", cloud={"base_url": "http://x/v1", "api_key_env": "SOME_KEY"}))

    assert found == (
        "upstreams.cloud.api_key_env: the environment variable SOME_KEY is not set. Export the key in it.",
    )


def test_the_hash_holds_no_secret_and_follows_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = with_("upstreams", cloud={"base_url": "http://x/v1", "api_key_env": "SOME_KEY"})
    monkeypatch.setenv("SOME_KEY", "one")
    one = parse(raw)
    monkeypatch.setenv("SOME_KEY", "two")

    assert parse(raw).digest() == one.digest() != parse(GOOD).digest()
    assert "one" not in one.model_dump_json().replace("None", "")


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "there is no such file"), (b"[models", "cannot be read"), (b"\xff\xfe", "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "switchpoint.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=told):
        load(path)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "switchpoint.toml"
    path.write_text(
        '[upstreams.r]\nkind = "replay"\ndata = "answers"\n[models.m]\nupstream = "r"\n[records]\npath = "log.sqlite"\n'
    )

    config = load(path)

    assert config.records.path == tmp_path / "log.sqlite"
    assert config.upstreams["r"].data == tmp_path / "answers"


def every(section: type[Section]) -> list[type[Section]]:
    return [each for child in section.__subclasses__() for each in (child, *every(child))]


SECTIONS = [section for section in every(Section) if section is not Config]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_key_is_documented_with_its_default(section: type[Section]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()

    for key, field in section.model_fields.items():
        if key != "kind":
            shown = "required" if field.is_required() else "–" if field.default is None else ""
            assert f"| `{key}` | {shown}" in page, key
