"""Money is set aside before a request and booked after it; never more than the limit."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from switchpoint.control.database import SqliteFile
from switchpoint.control.spending.bookkeeper import Bookkeeper
from switchpoint.control.spending.budgets import (
    EACH,
    Account,
    Budget,
    BudgetStore,
    Per,
    Scope,
    Spending,
    accounts_of,
    period,
)
from switchpoint.control.spending.ledger import LocalLedger, Pages
from switchpoint.core.errors import BudgetSpent, StoreUnavailable

KEY = Account("key:k:total", Per.TOTAL, 1.0)
TEAM = Account("team:t:total", Per.TOTAL, 0.4)


def usd(account: Account, ledger: LocalLedger) -> float:
    """What is left of an account."""
    hold = ledger.reserve_now([account], 0.0, 1e9)
    ledger.settle(hold, 0.0)
    return hold.usd


def test_what_is_set_aside_is_not_there_for_others() -> None:
    ledger = LocalLedger()

    ledger.reserve_now([KEY], 0.1, 0.7)

    assert usd(KEY, ledger) == pytest.approx(0.3)


def test_what_was_not_needed_is_given_back() -> None:
    ledger = LocalLedger()

    ledger.settle(ledger.reserve_now([KEY], 0.1, 0.7), 0.2)

    assert usd(KEY, ledger) == pytest.approx(0.8)


def test_a_request_gets_what_is_left_where_that_is_less_than_it_asks_for() -> None:
    ledger = LocalLedger()
    ledger.reserve_now([KEY], 0.1, 0.7)

    assert ledger.reserve_now([KEY], 0.1, 0.7).usd == pytest.approx(0.3)


def test_a_request_that_does_not_fit_is_refused_and_sets_nothing_aside() -> None:
    ledger = LocalLedger()
    ledger.reserve_now([TEAM], 0.4, 0.4)

    with pytest.raises(BudgetSpent, match="0.4 USD of 'team t'"):
        ledger.reserve_now([KEY, TEAM], 0.1, 0.1)

    assert usd(KEY, ledger) == pytest.approx(1.0)


def test_the_emptiest_account_decides() -> None:
    assert LocalLedger().reserve_now([KEY, TEAM], 0.1, 0.9).usd == pytest.approx(0.4)


def test_a_budget_of_nothing_lets_nothing_in() -> None:
    with pytest.raises(BudgetSpent):
        LocalLedger().reserve_now([Account("key:k:day", Per.DAY, 0.0)], 0.0, 0.0)


def test_a_new_period_begins_full_and_the_old_one_gets_its_bill() -> None:
    now = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC).timestamp()]
    ledger, today = LocalLedger(lambda: now[0]), Account("key:k:day", Per.DAY, 1.0)
    hold = ledger.reserve_now([today], 0.1, 1.0)

    now[0] += 120
    assert usd(today, ledger) == pytest.approx(1.0)
    ledger.settle(hold, 0.6)

    assert ledger.unwritten() == [Spending("key:k:day", "2026-03-01", 0.6)]


class Interleaving(RuleBasedStateMachine):
    """Requests that begin and end in any order, two of them at a time or twenty."""

    @initialize()
    def start(self) -> None:
        self.ledger = LocalLedger()
        self.holds: list[Pages] = []
        self.spent_usd = 0.0

    @rule(least=st.floats(0.001, 0.3), more=st.floats(0, 0.5), both=st.booleans())
    def begin(self, least: float, more: float, both: bool) -> None:
        try:
            self.holds.append(self.ledger.reserve_now([KEY, TEAM] if both else [KEY], least, least + more))
        except BudgetSpent:
            return
        assert self.holds[-1].usd >= least - 1e-9

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 100), share=st.floats(0, 1))
    def end(self, which: int, share: float) -> None:
        hold = self.holds.pop(which % len(self.holds))
        self.spent_usd += hold.usd * share
        self.ledger.settle(hold, hold.usd * share)

    @rule()
    def write_down(self) -> None:
        self.ledger.unwritten()
        self.ledger.written()

    @invariant()
    def nothing_is_promised_twice(self) -> None:
        assert self.spent_usd + sum(hold.usd for hold in self.holds) <= KEY.usd + 1e-9


TestInterleaving = Interleaving.TestCase


@pytest.mark.parametrize(
    ("per", "label", "ends"),
    [
        (Per.HOUR, "2024-02-29T23", datetime(2024, 3, 1, tzinfo=UTC)),
        (Per.DAY, "2024-02-29", datetime(2024, 3, 1, tzinfo=UTC)),
        (Per.MONTH, "2024-02", datetime(2024, 3, 1, tzinfo=UTC)),
    ],
)
def test_periods_end_where_the_calendar_says(per: Per, label: str, ends: datetime) -> None:
    now = datetime(2024, 2, 29, 23, 30, tzinfo=UTC)

    assert period(per, now.timestamp()) == (label, ends.timestamp())


def test_a_budget_of_a_name_wins_over_one_for_each() -> None:
    budgets = [Budget(Scope.KEY, "k", Per.DAY, 9.0), Budget(Scope.KEY, EACH, Per.DAY, 1.0)]

    accounts = accounts_of(budgets, ((Scope.KEY, "k"), (Scope.TENANT, "t")))

    assert accounts == (Account("key:k:day", Per.DAY, 9.0),)


def test_what_was_spent_is_there_again_after_a_restart(tmp_path: Path) -> None:
    store, before, after = BudgetStore(SqliteFile(tmp_path / "c.sqlite")), LocalLedger(), LocalLedger()
    before.settle(before.reserve_now([KEY], 0.1, 0.7), 0.6)
    Bookkeeper(store, before, lambda _: None).write()

    Bookkeeper(store, after, lambda _: None).write()

    assert usd(KEY, after) == pytest.approx(0.4)


def test_two_processes_on_one_file_see_what_the_other_spent(tmp_path: Path) -> None:
    store, one, other = BudgetStore(SqliteFile(tmp_path / "c.sqlite")), LocalLedger(), LocalLedger()
    for ledger in (one, other):
        ledger.settle(ledger.reserve_now([KEY], 0.1, 0.3), 0.3)
        Bookkeeper(store, ledger, lambda _: None).write()
    Bookkeeper(store, one, lambda _: None).write()

    assert usd(KEY, one) == usd(KEY, other) == pytest.approx(0.4)


def test_nothing_is_lost_while_the_database_is_away(tmp_path: Path) -> None:
    class Away(BudgetStore):
        def book(self, spent: object) -> None:
            raise StoreUnavailable("it is away")

    file, ledger = SqliteFile(tmp_path / "c.sqlite"), LocalLedger()
    ledger.settle(ledger.reserve_now([KEY], 0.1, 0.7), 0.6)
    with pytest.raises(StoreUnavailable):
        Bookkeeper(Away(file), ledger, lambda _: None).write()
    ledger.settle(ledger.reserve_now([KEY], 0.1, 0.3), 0.1)

    Bookkeeper(BudgetStore(file), ledger, lambda _: None).write()

    assert BudgetStore(file).spending(0.0) == [Spending("key:k:total", "total", pytest.approx(0.7))]


def test_a_budget_that_is_set_by_hand_is_told_and_closing_writes_the_rest(tmp_path: Path) -> None:
    store, ledger, told = BudgetStore(SqliteFile(tmp_path / "c.sqlite")), LocalLedger(), []
    store.set(Budget(Scope.KEY, "k", Per.DAY, 2.0))
    keeper = Bookkeeper(store, ledger, lambda budgets: told.extend(budgets), window_s=60)
    keeper.start()
    ledger.settle(ledger.reserve_now([KEY], 0.1, 0.7), 0.6)

    keeper.close()

    assert told[0] == Budget(Scope.KEY, "k", Per.DAY, 2.0)
    assert store.spending(0.0)[0].spent_usd == pytest.approx(0.6)
