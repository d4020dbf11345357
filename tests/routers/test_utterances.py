"""Files of semantic routes: read whole, checked whole, written back the same."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import ConfigError
from switchpoint.routers.utterances import RouteSet, SemanticRoute, dump, load, parse

GOOD = {"routes": {"a": {"utterances": ["one", "two"]}, "b": {"utterances": ["three"], "threshold": 0, "use": "m"}}}


def problems(raw: dict) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(raw)
    return caught.value.problems


def with_(route: str = "a", **more: object) -> dict:
    return {"routes": {**GOOD["routes"], route: {**GOOD["routes"].get(route, {}), **more}}}


def test_right_routes_are_read_in_order() -> None:
    routes = parse({**GOOD, "alpha": 1, "others": ["x"]})

    assert [route.name for route in routes.routes] == ["a", "b"]
    assert routes.routes[1] == SemanticRoute(name="b", utterances=("three",), threshold=0, use="m")
    assert (routes.alpha, routes.others) == (1, ("x",))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({}, "routes: is missing."),
        ({"routes": {}}, "routes: name at least one"),
        ({"routes": []}, "routes: name at least one"),
        ({**GOOD, "alpah": 1}, "alpah: unknown key. Did you mean 'alpha'?"),
        ({**GOOD, "alpha": True}, "alpha: must be a number in [0, 1]. Got True."),
        ({**GOOD, "top": 0}, "top: must be a whole number from 1. Got 0."),
        ({**GOOD, "others": "x"}, "others: must be a list of texts. Got 'x'."),
        ({**GOOD, "others": ["three"]}, "others.0: 'three' stands at routes.b.utterances.0 too."),
        (with_("c"), "routes.c.utterances: is missing."),
        ({"routes": {"a": 1}}, "routes.a: must be a table. Got 1."),
        (with_(utterances=[]), "routes.a.utterances: is empty."),
        (with_(utterances=["one", " "]), "routes.a.utterances.1: must be a text that is not blank. Got ' '."),
        (with_(utterances=["one", 2]), "routes.a.utterances.1: must be a text that is not blank. Got 2."),
        (with_(utterances=["one", "ONE "]), "routes.a.utterances.1: 'ONE ' stands at routes.a.utterances.0 too."),
        (with_("b", utterances=["One"]), "routes.b.utterances.0: 'One' stands at routes.a.utterances.0 too."),
        (with_("b", examples=["two"]), "routes.b.examples.0: 'two' stands at routes.a.utterances.1 too."),
        (with_(negatives=["Two"]), "routes.a.negatives.0: 'Two' stands at routes.a.utterances.1 too."),
        (with_(threshhold=0.5), "routes.a.threshhold: unknown key. Did you mean 'threshold'?"),
        (with_(threshold=1.5), "routes.a.threshold: must be a number in [0, 1]. Got 1.5."),
        (with_(threshold=float("nan")), "routes.a.threshold: must be a number in [0, 1]. Got nan."),
        (with_(use=""), "routes.a.use: must be a text that is not blank."),
        (with_("b", refuse="no"), "routes.b: use and refuse exclude each other."),
    ],
)
def test_a_fault_is_told_with_its_place(raw: dict, told: str) -> None:
    assert any(problem.startswith(told) for problem in problems(raw)), problems(raw)


def test_all_faults_are_told_at_once() -> None:
    raw = {"routes": {"a": {"utterances": []}, "b": {"utterances": ["", 1], "threshold": 2}, "c": {}}}

    assert len(problems(raw)) == 5


def test_a_negative_of_one_route_may_be_an_utterance_of_another() -> None:
    assert parse(with_(negatives=["three"])).routes[0].negatives == ("three",)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.toml", None, "there is no such file"),
        ("routes.toml", "[routes", "cannot be read"),
        ("routes.json", "[1]", "must hold an object. Got list."),
        ("routes.json", '{"routes": {"a": {}, "a": {}}}', "the key 'a' is given twice"),
        ("routes.yaml", "a: 1", "must end in .toml or .json"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)

    with pytest.raises(ConfigError, match=told):
        load(tmp_path / name)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
sets = st.builds(
    lambda names, utterances, threshold, refuse, alpha: RouteSet(
        routes=tuple(
            SemanticRoute(name=name, utterances=(f"{n} {utterances}",), threshold=threshold, refuse=refuse)
            for n, name in enumerate(names)
        ),
        alpha=alpha,
        others=(f"other {utterances}",),
    ),
    st.lists(texts, min_size=1, max_size=3, unique=True),
    texts,
    st.none() | st.floats(0, 1),
    st.none() | texts,
    st.floats(0, 1),
)


@given(sets, st.sampled_from([".toml", ".json"]))
def test_what_is_written_is_read_back_the_same(tmp_path_factory: pytest.TempPathFactory, routes, suffix: str) -> None:
    path = tmp_path_factory.mktemp("routes") / f"routes{suffix}"

    path.write_text(dump(routes, suffix), encoding="utf-8", newline="")

    assert load(path) == routes


def test_json_is_plain() -> None:
    assert json.loads(dump(parse(GOOD), ".json"))["routes"]["b"] == {
        "utterances": ["three"],
        "threshold": 0,
        "use": "m",
    }


def test_routes_are_not_written_to_a_file_of_another_kind() -> None:
    with pytest.raises(ConfigError, match="ending in .toml or .json. Got '.yaml'"):
        dump(parse(GOOD), ".yaml")
