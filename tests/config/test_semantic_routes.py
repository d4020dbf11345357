"""A semantic router in the configuration: routes inline or in a file, checked with everything else."""

from pathlib import Path

import pytest

from switchpoint.config.read import load, parse
from switchpoint.core.errors import ConfigError

MODELS = {
    "upstreams": {"fake": {"kind": "fake", "script": {"mini": ["x"], "big": ["x"]}}},
    "models": {"mini": {"upstream": "fake"}, "big": {"upstream": "fake"}},
}
TOPICS = {"kind": "semantic", "otherwise": "mini", "routes": {"law": {"utterances": ["contract"], "use": "big"}}}


def problems(**router: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse({**MODELS, "routers": {"topics": {**TOPICS, **router}}})
    return caught.value.problems


def test_routes_may_stand_in_the_configuration() -> None:
    config = parse({**MODELS, "routers": {"topics": TOPICS}})

    assert config.routers["topics"].routes["law"].use == "big"


@pytest.mark.parametrize("name", ["routes.toml", "routes.json"])
def test_routes_may_stand_in_a_file_beside_it_and_are_part_of_its_hash(tmp_path: Path, name: str) -> None:
    models = '[upstreams.f]\nkind = "fake"\nscript = {m = ["x"]}\n[models.m]\nupstream = "f"\n'
    (tmp_path / "switchpoint.toml").write_text(
        f'{models}[routers.topics]\nkind = "semantic"\notherwise = "m"\nfile = "{name}"\n'
    )
    toml = 'alpha = 0\n[routes.law]\nutterances = ["TEXT"]\nuse = "m"\n'
    json = '{"alpha": 0, "routes": {"law": {"utterances": ["TEXT"], "use": "m"}}}'
    digests = set()

    for text in ("contract", "treaty"):
        (tmp_path / name).write_text((json if name.endswith("json") else toml).replace("TEXT", text))
        config = load(tmp_path / "switchpoint.toml")
        digests.add(config.digest())

    assert config.routers["topics"].routes["law"].utterances == ["treaty"]
    assert config.routers["topics"].alpha == 0
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("router", "told"),
    [
        ({"otherwise": "minni"}, "routers.topics.otherwise: unknown name 'minni'. Did you mean 'mini'?"),
        ({"routes": {"a": {"utterances": ["x"], "use": "bigg"}}}, "routers.topics.routes.a.use: unknown name 'bigg'."),
        ({"routes": {"a": {"utterances": [], "use": "big"}}}, "routers.topics.routes.a.utterances: List should"),
        ({"routes": {"a": {"utterance": ["x"], "use": "big"}}}, "Did you mean 'utterances'?"),
        ({"routes": {"a": {"utterances": ["x"]}}}, "routers.topics.routes.a: say who answers (use) or"),
        ({"routes": {"a": {"utterances": ["x"], "use": "big", "refuse": "no"}}}, "routers.topics.routes.a: say who"),
        ({"file": "x.toml"}, "routers.topics: give either routes or the file that holds them."),
        ({"alhpa": 1}, "routers.topics.alhpa: unknown key. Did you mean 'alpha'?"),
    ],
)
def test_a_fault_is_told_with_its_place(router: dict, told: str) -> None:
    assert any(told in problem for problem in problems(**router)), problems(**router)


def test_a_file_that_is_not_there_is_one_fault_beside_the_others(tmp_path: Path) -> None:
    router = {"kind": "semantic", "otherwise": "no", "file": "missing.toml"}

    with pytest.raises(ConfigError) as caught:
        parse({**MODELS, "routers": {"topics": router}}, base=tmp_path)

    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith("routers.topics.file: ")
