"""The gate as a whole, before an engine that spends."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from switchpoint.control.door import Door
from switchpoint.control.gate import ControlGate, Rules
from switchpoint.control.keyring import Keyring
from switchpoint.control.limits import Limit, LocalLimiter, Unit
from switchpoint.control.spending.budgets import EACH, Budget, Per, Scope
from switchpoint.control.spending.ledger import LocalLedger
from switchpoint.control.spending.reserving import Reserving
from switchpoint.core.attempt import Attempt, Failure
from switchpoint.core.bounds import Bounds, in_turn
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import (
    BudgetSpent,
    Forbidden,
    LimitReached,
    NoEligibleModel,
    Overloaded,
    Unauthenticated,
    UnknownModel,
)
from switchpoint.core.model import Usage
from switchpoint.core.principal import ANONYMOUS, Principal
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.routers.fixed import Fixed
from switchpoint.upstreams.fake import Fake
from tests.doubles import answered, failed, model

CHEAP = model("cheap", "1", max_output_tokens=1000)  # a call takes 1,000.. tokens at most: about 0.001 USD
DEAR = model("dear", "10", max_output_tokens=1000)
UNPRICED = model("unpriced", None)
CATALOG = Catalog([CHEAP, DEAR, UNPRICED])
HOLDER = Principal(id="k", tenant="acme", team="search")
QUERY = Query.of("hi")


class Both:
    """A cascade: the cheap model, then the dear one."""

    name = "both"

    def next(self, query: Query, attempts: Sequence[Attempt]) -> object:
        raise NotImplementedError

    def worst_case(self, query: Query) -> Bounds:
        return in_turn([CHEAP, DEAR], query)


class Wrapped:
    """A strategy around another one."""

    name = "wrapped"
    strategy = Both()


def resolve(name: str) -> Strategy:
    routes = {"auto": Fixed("auto", CATALOG, "cheap"), "both": Both(), "wrapped": Wrapped()}
    found = routes.get(name) or (Fixed(name, CATALOG, name) if name in CATALOG else None)
    if found is None:
        raise UnknownModel(name, routes)
    return found  # type: ignore[return-value]


def gate(
    *rules: Budget | Limit, ledger: LocalLedger | None = None, door: Door | None = None, **more: object
) -> ControlGate:
    budgets = [rule for rule in rules if isinstance(rule, Budget)]
    limits = [rule for rule in rules if isinstance(rule, Limit)]
    return ControlGate(
        catalog=CATALOG,
        resolve=resolve,
        known=("auto", "both", "wrapped", *CATALOG.ids),
        rules=Rules(budgets, limits),
        limiter=LocalLimiter(lambda: 0.0),
        ledger=ledger or LocalLedger(),
        door=door,
        **more,  # type: ignore[arg-type]
    )


def budget(usd: float, scope: Scope = Scope.KEY) -> Budget:
    return Budget(scope, EACH, Per.DAY, usd)


def left_usd(ledger: LocalLedger, account: str = "key:k:day") -> float:
    page = ledger._current[account]
    return page.left_usd(1.0)


def record(*attempts: Attempt) -> Record:
    return Record(
        id="r", at=datetime.now(UTC), query_id="q", route="auto", strategy="auto", attempts=attempts,
        accepted=None, outcome="failed", decide_s=0.0, latency_s=1.0,
    )  # fmt: skip


async def test_without_keys_being_required_everybody_may_come() -> None:
    assert await gate(required=False).identify([]) is ANONYMOUS


async def test_where_keys_are_required_nobody_comes_without_one() -> None:
    with pytest.raises(Unauthenticated, match="No API key"):
        await gate(keyring=Keyring()).identify([(b"host", b"here")])


async def test_where_keys_are_not_required_an_unknown_one_is_as_good_as_none() -> None:
    found = await gate(keyring=Keyring(), required=False).identify([(b"authorization", b"Bearer unused")])

    assert found is ANONYMOUS


async def test_a_route_that_is_not_in_the_list_is_forbidden_before_anything_is_taken() -> None:
    ledger = LocalLedger()
    here = gate(budget(1.0), Limit(Scope.KEY, EACH, Unit.REQUESTS, 1.0), ledger=ledger)
    with pytest.raises(Forbidden):
        await here.admit(replace(HOLDER, routes=frozenset({"auto"})), "dear", QUERY)

    await here.admit(HOLDER, "auto", QUERY)


async def test_the_engine_is_held_to_what_was_set_aside() -> None:
    admitted = await gate(budget(1.0)).admit(HOLDER, "cheap", QUERY)

    assert admitted.hold is not None
    assert admitted.query.max_cost_usd == admitted.hold.usd == pytest.approx(2 * 0.001, rel=0.01)


async def test_a_cascade_sets_its_worst_case_aside_and_one_more_call() -> None:
    worst_usd = in_turn([CHEAP, DEAR], QUERY).cost_usd
    dear_usd = DEAR.reserve_usd(QUERY, QUERY.input_tokens)
    assert worst_usd is not None and dear_usd is not None

    for route in ("both", "wrapped"):
        admitted = await gate(budget(1.0)).admit(HOLDER, route, QUERY)
        assert admitted.query.max_cost_usd == pytest.approx(worst_usd + dear_usd)


async def test_a_limit_of_the_caller_that_is_lower_stays() -> None:
    admitted = await gate(budget(1.0)).admit(HOLDER, "both", replace(QUERY, max_cost_usd=0.002))

    assert admitted.query.max_cost_usd == pytest.approx(0.002)


async def test_with_little_left_a_request_is_made_cheaper_instead_of_refused() -> None:
    admitted = await gate(budget(0.003)).admit(HOLDER, "both", QUERY)

    assert admitted.query.max_cost_usd == pytest.approx(0.003)
    assert CATALOG.eligible(admitted.query)[:2] == [True, False]


async def test_a_budget_that_does_not_hold_the_cheapest_model_refuses() -> None:
    with pytest.raises(BudgetSpent, match="key k"):
        await gate(budget(0.0005)).admit(HOLDER, "both", QUERY)


@pytest.mark.parametrize("scope", Scope)
async def test_every_scope_has_budgets(scope: Scope) -> None:
    with pytest.raises(BudgetSpent, match=str(scope)):
        await gate(budget(0.0005, scope)).admit(HOLDER, "cheap", QUERY)


async def test_under_a_budget_models_of_unknown_price_do_not_answer() -> None:
    admitted = await gate(budget(1.0)).admit(HOLDER, "auto", QUERY)

    assert admitted.query.allow == {"cheap", "dear"}
    with pytest.raises(NoEligibleModel, match="price is unknown"):
        await gate(budget(1.0)).admit(HOLDER, "unpriced", QUERY)


async def test_without_a_budget_nothing_is_narrowed() -> None:
    admitted = await gate().admit(HOLDER, "unpriced", QUERY)

    assert (admitted.query.allow, admitted.query.max_cost_usd) == (None, None)


async def test_the_bill_is_booked_and_the_rest_given_back() -> None:
    ledger = LocalLedger()
    admitted = await gate(budget(1.0), ledger=ledger).admit(HOLDER, "both", QUERY)

    admitted.settle(record(replace(answered("cheap"), cost_usd=Decimal("0.25"))))

    assert left_usd(ledger) == pytest.approx(0.75)


async def test_settling_twice_books_once() -> None:
    ledger = LocalLedger()
    admitted = await gate(budget(1.0), ledger=ledger).admit(HOLDER, "both", QUERY)

    for _ in range(2):
        admitted.settle(record(replace(answered("cheap"), cost_usd=Decimal("0.25"))))

    assert left_usd(ledger) == pytest.approx(0.75)


async def test_a_request_that_never_ran_costs_nothing() -> None:
    ledger = LocalLedger()

    (await gate(budget(1.0), ledger=ledger).admit(HOLDER, "both", QUERY)).settle(None)

    assert left_usd(ledger) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["UpstreamTimeout", "Cancelled"])
async def test_a_call_of_unknown_cost_is_booked_at_its_most_never_at_nothing(kind: str) -> None:
    ledger = LocalLedger()
    admitted = await gate(budget(1.0), ledger=ledger).admit(HOLDER, "both", QUERY)
    cut = replace(failed("cheap"), failure=Failure(kind=kind, message="gone"), cost_usd=None)

    admitted.settle(record(cut))

    assert left_usd(ledger) == pytest.approx(1.0 - (CHEAP.reserve_usd(QUERY, QUERY.input_tokens) or 0))


def test_a_preparation_or_a_verdict_of_unknown_cost_books_all_that_was_set_aside() -> None:
    reserving = Reserving(CATALOG, resolve)
    unknown = replace(record(), preparation_usd=None)

    assert reserving.booked_usd(unknown, QUERY, 0.5) == 0.5


def test_a_model_that_is_paid_by_time_is_bounded_by_its_deadline() -> None:
    hourly = replace(UNPRICED, id="hourly", usd_per_hour=Decimal(36))
    catalog = Catalog([hourly])
    reserving = Reserving(catalog, lambda name: Fixed(name, catalog, "hourly"))

    assert reserving.range("hourly", replace(QUERY, deadline_s=10.0), None).least_usd == pytest.approx(0.1)


async def test_a_refused_request_leaves_nothing_taken() -> None:
    ledger, door = LocalLedger(), Door(1, 0, 0.0)
    here = gate(budget(0.0025), Limit(Scope.KEY, EACH, Unit.TOKENS, 1500.0), ledger=ledger, door=door)
    first = await here.admit(HOLDER, "cheap", QUERY)
    with pytest.raises(Overloaded):
        await here.admit(HOLDER, "cheap", QUERY)
    first.settle(None)

    again = await here.admit(HOLDER, "cheap", QUERY)

    assert (door.inside, again.readings[0].left) == (1, first.readings[0].left)


async def test_tokens_are_counted_as_they_were_in_the_end() -> None:
    here = gate(Limit(Scope.KEY, EACH, Unit.TOKENS, 1000.0))
    admitted = await here.admit(HOLDER, "cheap", QUERY)
    attempt = answered("cheap")
    assert attempt.answer is not None
    used = replace(attempt, answer=replace(attempt.answer, usage=Usage(input_tokens=40, output_tokens=60)))
    admitted.settle(record(used))

    taken_now = 1 + 300  # of the input, and of an answer of the usual length

    assert (await here.admit(HOLDER, "cheap", QUERY)).readings[0].left == 900 - taken_now


async def test_dollars_per_minute_are_limited_too() -> None:
    here = gate(Limit(Scope.TEAM, "search", Unit.USD, 0.0045))
    for _ in range(2):
        await here.admit(HOLDER, "cheap", QUERY)

    with pytest.raises(LimitReached, match="USD per minute of 'team search'"):
        await here.admit(HOLDER, "cheap", QUERY)


async def test_a_thousand_concurrent_calls_at_the_limit_overspend_by_one_request_at_most() -> None:
    records: list[Record] = []
    upstream = Fake({"cheap": ["x" * 400], "dear": ["x" * 400]}, latency_s=0.01)
    engine = Engine(catalog=CATALOG, upstreams={"fake": upstream}, sink=records.append, default_model="cheap")
    here = gate(budget(0.05))

    async def call(number: int) -> None:
        route = ("cheap", "dear")[number % 2]
        try:
            admitted = await here.admit(HOLDER, route, QUERY)
        except BudgetSpent:
            return
        admitted.settle(await engine.run(resolve(route), admitted.query, route=route))

    await asyncio.gather(*(call(number) for number in range(1000)))

    spent_usd = sum(float(each.cost_usd or 0) for each in records)
    dearest_usd = max(float(each.cost_usd or 0) for each in records)
    assert 0 < len(records) < 1000
    assert spent_usd <= 0.05 + dearest_usd
