"""Semantic routes: which route a text matches, and what then happens to a query."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.decision import Accept, Call, Reason
from switchpoint.core.errors import ConfigError, Refused
from switchpoint.core.query import FloatArray, Query
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.semantic import NONE, Matcher, Semantic, choose
from switchpoint.routers.utterances import RouteSet, SemanticRoute
from tests.doubles import answered, catalog

MODELS = catalog("mini", "big")


class Compass:
    """Embeds "0" to "359" as directions in degrees; anything else as nothing."""

    name, dim = "compass-2", 2

    def embed(self, texts: Sequence[str]) -> FloatArray:
        angles = [np.deg2rad(float(text)) if text.isdigit() else np.nan for text in texts]
        return np.nan_to_num(np.array([[np.cos(a), np.sin(a)] for a in angles]).reshape(-1, 2))


def route(name: str, *utterances: str, **more: object) -> SemanticRoute:
    return SemanticRoute(name=name, utterances=utterances, **{"threshold": 0.9, **more})


def matcher(*routes: SemanticRoute, top: int = 1, alpha: float = 1.0) -> Matcher:
    return Matcher(RouteSet(routes=routes, top=top, alpha=alpha), Compass())


NORTH_EAST = matcher(route("east", "0", "20"), route("north", "90"))


def test_the_nearest_route_that_reaches_its_threshold_matches() -> None:
    match = NORTH_EAST("25")

    assert (match.name, match.tied) == ("east", ())
    assert match.score == match.scores["east"] == pytest.approx(np.cos(np.deg2rad(5)))


def test_no_match_is_no_name_and_the_highest_score() -> None:
    match = NORTH_EAST("50")

    assert match.name is None and match.tied == ()
    assert match.score == pytest.approx(np.cos(np.deg2rad(30)))


def test_a_tie_is_said_and_nobody_is_chosen() -> None:
    match = matcher(route("east", "0", threshold=0.5), route("north", "90", threshold=0.5))("45")

    assert match.name is None
    assert match.tied == ("east", "north")


def test_a_route_below_its_own_threshold_leaves_the_text_to_the_next() -> None:
    strict, lax = route("strict", "0", threshold=0.999), route("lax", "90", threshold=0.1)

    assert matcher(strict, lax)("30").name == "lax"


def test_a_threshold_of_zero_is_a_threshold_and_not_none_at_all() -> None:
    assert matcher(route("any", "0", threshold=0.0))("80").name == "any"
    assert matcher(route("any", "0", threshold=None))("80").name is None


@pytest.mark.parametrize("text", ["", "words", "\x00", "ไม่มี", "x" * 1_000_000])
def test_a_text_that_says_nothing_matches_nothing(text: str) -> None:
    match = NORTH_EAST(text)

    assert (match.name, match.score) == (None, 0.0)


def test_a_text_nearer_to_a_negative_is_below_every_threshold() -> None:
    almost = matcher(route("east", "0", threshold=0.0, negatives=("30",)))

    assert almost("20").name is None
    assert almost("20").score == pytest.approx(np.cos(np.deg2rad(20)) - np.cos(np.deg2rad(10)))
    assert almost("10").name == "east"


def test_the_score_is_the_mean_over_the_nearest_utterances() -> None:
    wide = matcher(route("east", "0", "20", "100"), route("north", "90"), top=2)

    assert wide("0").scores["east"] == pytest.approx((1 + np.cos(np.deg2rad(20))) / 2)
    assert wide("90").scores["north"] == pytest.approx(1.0)  # it has but one


def test_a_text_that_is_not_to_be_seen_is_not_compared_with_itself() -> None:
    routes = matcher(route("east", "0", "20"), route("north", "90", negatives=("60",)), top=2)

    seen, unseen = (routes.scores(["0", "90"], unseen=flag) for flag in (False, True))

    assert unseen[0] == pytest.approx([np.cos(np.deg2rad(20)), 0.0 - 0.5])
    assert unseen[1, 1] == pytest.approx(-np.cos(np.deg2rad(30)))
    assert seen[1, 1] == pytest.approx(1.0)


@given(st.lists(st.integers(0, 359), min_size=1, max_size=5), st.integers(0, 359), st.integers(1, 4))
def test_scores_are_bounded_and_one_by_one_equals_batch(angles: list[int], asked: int, top: int) -> None:
    routes = matcher(route("a", *map(str, angles)), route("b", "0", negatives=("180", "90")), top=top)

    batch = routes.scores([str(asked), "7"])

    assert (batch >= -1 - 1e-9).all() and (batch <= 1 + 1e-9).all()
    assert np.allclose(batch[0], list(routes(str(asked)).scores.values()))


@given(st.lists(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9]), min_size=3, max_size=3), min_size=1, max_size=5))
def test_what_is_chosen_is_the_only_best_of_those_that_reach_their_threshold(rows: list[list[float]]) -> None:
    scores, thresholds = np.array(rows), np.array([0.1, 0.5, 0.6])

    for row, chosen in zip(rows, choose(scores, thresholds), strict=True):
        accepted = {n: score for n, score in enumerate(row) if score >= thresholds[n]}
        best = [n for n, score in accepted.items() if score == max(accepted.values())]
        assert chosen == (best[0] if len(best) == 1 else NONE)


def test_thresholds_fitted_with_another_embedder_are_refused() -> None:
    fitted = RouteSet(routes=(route("east", "0"),), alpha=1.0, fitted_with="static-64-abc")

    with pytest.raises(ConfigError, match="fitted with the embedder static-64-abc; this is compass-2"):
        Matcher(fitted, Compass())


def test_vectors_take_an_embedder_and_words_do_not() -> None:
    words = RouteSet(routes=(route("east", "sunrise over the sea", threshold=0.5),), alpha=0.0)

    assert Matcher(words, None)("Sunrise, over the SEA!").name == "east"
    with pytest.raises(ConfigError, match="takes an embedder"):
        Matcher(replace(words, alpha=0.5), None)


def test_an_embedder_of_broken_numbers_is_refused() -> None:
    class Broken(Compass):
        def embed(self, texts: Sequence[str]) -> FloatArray:
            return np.full((len(texts), 2), np.nan)

    with pytest.raises(ConfigError, match="not finite numbers"):
        Matcher(RouteSet(routes=(route("east", "0"),)), Broken())


def semantic(**routes: SemanticRoute) -> Semantic:
    strategies = {"east": Fixed("big", MODELS, "big", Reason.FIXED)}
    return Semantic("topics", matcher(*routes.values()), strategies, Fixed("mini", MODELS, "mini", Reason.FIXED))


ROUTER = semantic(east=route("east", "0"), north=route("north", "90", refuse="Not here."))


def test_who_answers_a_route_is_asked_and_the_decision_says_so() -> None:
    decision = ROUTER.next(Query.of("10"), ()).decision

    assert (decision.model, decision.router, decision.reason) == ("big", "topics", Reason.SEMANTIC)
    assert decision.detail == "route east, score 0.98"


def test_without_a_match_the_other_strategy_decides_in_its_own_name() -> None:
    decision = ROUTER.next(Query.of("200"), ()).decision

    assert (decision.model, decision.reason) == ("mini", Reason.FIXED)


def test_a_route_that_refuses_tells_the_caller_what_the_operator_wrote() -> None:
    with pytest.raises(Refused, match="^Not here.$") as caught:
        ROUTER.next(Query.of("90"), ())

    assert caught.value.route == "north"


def test_the_router_is_pure_and_accepts_an_answer_in_hand() -> None:
    assert ROUTER.next(Query.of("10"), ()) == ROUTER.next(Query.of("10"), ())
    assert ROUTER.next(Query.of("10"), (answered("big"),)) == Accept(attempt=0)


def test_what_a_cascade_does_after_the_first_answer_keeps_its_own_reason() -> None:
    cascade = ThresholdCascade("careful", MODELS, ["mini", "big"], "checks", 0.5)
    topics = Semantic("topics", matcher(route("east", "0")), {"east": cascade}, cascade)

    first, later = (topics.next(Query.of("0"), attempts) for attempts in ((), (answered("mini", 0.1),)))

    assert isinstance(first, Call) and first.decision.reason is Reason.SEMANTIC
    assert isinstance(later, Call) and later.decision.reason is Reason.ESCALATED


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("密码忘了怎么办", "account"),
        ("パスワードを忘れました", "account"),
        ("मुझे पैसे वापस चाहिए", "billing"),
        ("ขอเงินคืน", "billing"),
    ],
)
def test_words_are_found_in_every_script(asked: str, name: str) -> None:
    account = route("account", "我忘了密码", "パスワードを忘れた", threshold=0.2)
    billing = route("billing", "पैसे वापस करो", "ขอเงินคืนหน่อย", threshold=0.2)

    assert matcher(account, billing, alpha=0.0)(asked).name == name
