"""The ledger: money is set aside before a request runs, and what it cost is booked when it has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from switchpoint.control.spending.budgets import Account, Period, Spending, period
from switchpoint.core.errors import BudgetSpent

TOLERANCE_USD = 1e-12
"""Sums of money are floats: this much of a difference is none."""


class Hold(Protocol):
    """Money set aside for one request."""

    @property
    def usd(self) -> float:
        """How much: what the request may cost at most."""
        ...


class Ledger(Protocol):
    """Sets money aside and books what was spent."""

    async def reserve(self, accounts: Sequence[Account], least_usd: float, most_usd: float) -> Hold:
        """Set aside `most_usd` in all of the accounts, or what is left in the emptiest.

        Raises BudgetSpent where that is less than `least_usd`; StoreUnavailable.
        """
        ...

    def settle(self, hold: Hold, cost_usd: float) -> None:
        """Give back what was set aside and book what was spent. Never blocks."""
        ...


@dataclass(slots=True)
class Page:
    """One period of one account.

    written_usd : spent, as it stands in the database. writing_usd, new_usd : spent since; being written, and not yet.
    reserved_usd : set aside for requests in progress.
    """

    account: str
    period: Period
    written_usd: float = 0.0
    writing_usd: float = 0.0
    new_usd: float = 0.0
    reserved_usd: float = 0.0

    @property
    def spent_usd(self) -> float:
        """What was spent in this period."""
        return self.written_usd + self.writing_usd + self.new_usd

    def left_usd(self, limit_usd: float) -> float:
        """Return what may still be set aside under a limit."""
        return limit_usd - self.spent_usd - self.reserved_usd


class Pages(NamedTuple):
    """Money set aside on these pages."""

    usd: float
    pages: tuple[Page, ...]


class LocalLedger:
    """The ledger of one process, in memory; a bookkeeper writes it down (`switchpoint.control.spending.bookkeeper`).

    A request that began in one period and ended in the next is booked in the first.
    now : seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._current: dict[str, Page] = {}
        self._ended: list[Page] = []  # may still be settled, or written
        self._totals: dict[tuple[str, str], float] = {}  # of the database, for pages that do not exist yet
        self._lock = threading.Lock()  # the bookkeeper is another thread

    async def reserve(self, accounts: Sequence[Account], least_usd: float, most_usd: float) -> Pages:
        """Set money aside; see `Ledger`."""
        return self.reserve_now(accounts, least_usd, most_usd)

    def reserve_now(self, accounts: Sequence[Account], least_usd: float, most_usd: float) -> Pages:
        """Set money aside at once; see `Ledger`."""
        now_s = self._now()
        with self._lock:
            pages = tuple([self._page(account, now_s) for account in accounts])
            usd = most_usd
            for account, page in zip(accounts, pages, strict=True):
                left_usd = page.left_usd(account.usd)
                if left_usd + TOLERANCE_USD < least_usd or left_usd <= 0:
                    raise spent(account, least_usd, max(left_usd, 0.0))
                usd = min(usd, left_usd)
            for page in pages:
                page.reserved_usd += usd
        return Pages(usd, pages)

    def settle(self, hold: Hold, cost_usd: float) -> None:
        """Book what was spent; see `Ledger`."""
        assert isinstance(hold, Pages)
        with self._lock:
            for page in hold.pages:
                page.reserved_usd -= hold.usd
                page.new_usd += cost_usd

    def left_usd(self, account: Account) -> float:
        """Return what an account has left in the present period, beside what is set aside; below 0 it is overspent."""
        now_s = self._now()
        with self._lock:
            page = self._current.get(account.id)
            if page is not None and now_s < page.period.ends_s:
                return page.left_usd(account.usd)
            return account.usd - self._totals.get((account.id, period(account.per, now_s).label), 0.0)

    def learn(self, totals: Iterable[Spending], *, all: bool = False) -> None:
        """Take over what was spent, or set aside by others, in current periods, as the database knows it.

        all : whether these are all that it knows, so that earlier ones can be forgotten.
        """
        with self._lock:
            if all:
                self._totals = {}
            self._totals |= {(line.account, line.period): line.spent_usd for line in totals}
            for page in self._current.values():
                page.written_usd = self._totals.pop((page.account, page.period.label), page.written_usd)

    def unwritten(self) -> list[Spending]:
        """Return what must be written; it stays unwritten until `written` says otherwise."""
        with self._lock:
            pages = [page for page in (*self._current.values(), *self._ended) if page.new_usd or page.writing_usd]
            for page in pages:
                page.writing_usd, page.new_usd = page.writing_usd + page.new_usd, 0.0
            return [Spending(page.account, page.period.label, page.writing_usd) for page in pages]

    def written(self) -> None:
        """Take note that all that `unwritten` returned is written."""
        with self._lock:
            for page in (*self._current.values(), *self._ended):
                page.written_usd, page.writing_usd = page.written_usd + page.writing_usd, 0.0
            self._ended = [page for page in self._ended if page.new_usd or page.reserved_usd > TOLERANCE_USD]

    def _page(self, account: Account, now_s: float) -> Page:
        page = self._current.get(account.id)
        if page is not None and now_s < page.period.ends_s:
            return page
        if page is not None:
            self._ended.append(page)
        current = period(account.per, now_s)
        written_usd = self._totals.pop((account.id, current.label), 0.0)
        page = self._current[account.id] = Page(account.id, current, written_usd)
        return page


def spent(account: Account, least_usd: float, left_usd: float) -> BudgetSpent:
    """Return what to raise when a budget does not hold another request."""
    whose, per = account.id.rpartition(":")[0], "" if account.per == "total" else f" per {account.per}"
    return BudgetSpent(
        f"The budget of {account.usd:g} USD{per} of {whose.replace(':', ' ')!r} has {left_usd:.6f} USD left, beside "
        f"what is set aside for requests in progress; this one takes at least {least_usd:.6f}. Wait for the next "
        "period, or have the budget raised."
    )
