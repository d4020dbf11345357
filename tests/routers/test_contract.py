"""A caller's contract: the lowest quality that will do."""

from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Call, Decision, Reason
from switchpoint.core.query import Query
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.policies import MaxUtility
from switchpoint.routers.router import Router
from tests.doubles import Table, catalog

MODELS = catalog("mini", "mid", "big")
QUALITY = (0.5, 0.7, 0.9)
NAN = float("nan")


def decide(min_quality: float | None, quality: tuple[float, ...] = QUALITY, **more: object) -> Decision:
    query = Query(id="q", messages=({"role": "user", "content": "hi"},), min_quality=min_quality, **more)  # type: ignore[arg-type]
    costs = Table(MODELS.ids, (1.0, 2.0, 3.0))
    return Router("r", MODELS, Table(MODELS.ids, quality), costs, MaxUtility(0.0)).route([query])[0]


def test_without_a_contract_the_policy_decides() -> None:
    assert decide(None).model == "mini"


def test_the_cheapest_model_that_reaches_the_quality_is_chosen() -> None:
    assert (decide(0.6).model, decide(0.6).detail) == ("mid", None)


def test_where_none_reaches_it_the_best_is_chosen_and_it_is_said() -> None:
    decision = decide(0.95)

    assert decision.model == "big"
    assert decision.detail == "quality 0.90 is below the demanded 0.95, which no model is estimated to reach"


def test_a_model_that_may_not_answer_fulfils_no_contract() -> None:
    decision = decide(0.8, allow=frozenset({"mini", "mid"}))

    assert decision.model == "mid"
    assert "no model is estimated to reach" in str(decision.detail)


def test_where_nothing_is_estimated_the_policy_decides_and_it_is_said() -> None:
    decision = decide(0.8, (NAN, NAN, NAN))

    assert decision.model == "mini"
    assert decision.detail == "its quality is not estimated, so the demanded 0.8 is not checked"


def test_a_model_that_the_caller_named_is_called_and_the_contract_is_not_checked() -> None:
    query = Query(id="q", messages=(), min_quality=0.8)

    step = Fixed("big", MODELS, "big").next(query, ())

    assert isinstance(step, Call)
    assert "not checked" in str(step.decision.detail)


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=6), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_batch_decides_each_query_as_it_would_alone(floors: list[float | None], quality: list[float]) -> None:
    queries = [Query(id=str(n), messages=(), min_quality=floor) for n, floor in enumerate(floors)]
    router = Router("r", MODELS, Table(MODELS.ids, quality), Table(MODELS.ids, (1.0, 2.0, 3.0)), MaxUtility(1.0))

    assert router.route(queries) == [router.route([query])[0] for query in queries]


def test_a_contract_leaves_nothing_to_chance() -> None:
    only = Catalog(MODELS.models)
    decision = Router(
        "r", only, Table(only.ids, QUALITY), Table(only.ids, (1.0, 2.0, 3.0)), MaxUtility(0.0), reason=Reason.RANDOM
    ).route([Query(id="q", messages=(), min_quality=0.9)])[0]

    assert (decision.model, decision.propensity) == ("big", 1.0)
