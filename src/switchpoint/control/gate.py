"""The control gate: scopes, limits, the door, budgets, in this order; who is refused leaves nothing behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from switchpoint.control.door import Door
from switchpoint.control.keyring import Keyring
from switchpoint.control.keys import presented
from switchpoint.control.limits import Amounts, Limit, Limiter, Meter, Readings, Unit, headers, meters_of
from switchpoint.control.scopes import base_route, check_route, within
from switchpoint.control.spending.budgets import Account, Budget, Subjects, accounts_of, subjects
from switchpoint.control.spending.ledger import Hold, Ledger
from switchpoint.control.spending.reserving import Range, Reserving
from switchpoint.core.catalog import Catalog
from switchpoint.core.copying import but
from switchpoint.core.errors import Unauthenticated
from switchpoint.core.principal import ANONYMOUS, Principal
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Record

REMEMBERED = 10_000
"""For how many principals and routes it is remembered which rules they fall under."""

NO_KEY = "No API key was sent. Send one as 'Authorization: Bearer KEY'."
TOKEN_CAPS = ("max_completion_tokens", "max_tokens")

_logger = logging.getLogger(__name__)


class Applied(NamedTuple):
    """The budgets and limits that a request falls under."""

    accounts: tuple[Account, ...]
    meters: tuple[Meter, ...]


class Rules:
    """Budgets and limits: those of the configuration, and budgets that are set by hand, which win."""

    def __init__(self, budgets: Iterable[Budget] = (), limits: Iterable[Limit] = ()) -> None:
        self._configured, self._limits = tuple(budgets), tuple(limits)
        self._budgets = self._configured
        self._applied: dict[Subjects, Applied] = {}

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Every budget; of two for the same, the later one counts."""
        return self._budgets

    def set_budgets(self, by_hand: Iterable[Budget]) -> None:
        """Take over what was set by hand; may be called from another thread."""
        budgets = (*self._configured, *by_hand)
        if budgets != self._budgets:
            self._budgets, self._applied = budgets, {}

    def of(self, whom: Subjects) -> Applied:
        """Return what a request of these subjects falls under."""
        applied = self._applied
        found = applied.get(whom)
        if found is None:
            found = Applied(accounts_of(self._budgets, whom), meters_of(self._limits, whom))
            if len(applied) >= REMEMBERED:
                applied.clear()
            applied[whom] = found
        return found


@dataclass(slots=True, kw_only=True)
class Admitted:
    """A request that the gate let in.

    query : as it may be asked. readings : of the buckets that it took from.
    """

    query: Query
    gate: ControlGate
    readings: Readings = ()
    meters: tuple[Meter, ...] = ()
    taken: Amounts = field(default_factory=dict)
    hold: Hold | None = None
    inside: bool = False

    @property
    def told(self) -> tuple[tuple[bytes, bytes], ...]:
        """Headers that tell the caller how near to the limits he is."""
        return headers(self.readings)

    def settle(self, record: Record | None) -> None:
        """Give everything back and book what was spent; only the first time counts."""
        gate, hold = self.gate, self.hold
        if self.inside and gate.door is not None:
            gate.door.leave()
        booked_usd = None
        if hold is not None and gate.ledger is not None:
            booked_usd = gate.reserving.booked_usd(record, self.query, hold.usd)
            if record is not None and booked_usd > hold.usd:
                _tell_overstated(record, gate.reserving.overstated(record, self.query))
            gate.ledger.settle(hold, booked_usd)
        if self.meters:
            gate.limiter.give_back(self.meters, _unused(self.taken, record, booked_usd))
        self.inside, self.hold, self.meters = False, None, ()


class ControlGate:
    """Knows who asks by his key, and lets requests in within his scopes, limits and budgets.

    keyring : None where there are no keys. required : whether a request without a known key is refused; where it is
    not, one comes from the anonymous principal.
    resolve : returns the strategy of a name; known : names that are routes or models themselves.
    ledger : None where there are no budgets to keep. door : None where any number may come at once.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        resolve: Callable[[str], Strategy],
        known: Collection[str],
        rules: Rules,
        limiter: Limiter,
        ledger: Ledger | None = None,
        keyring: Keyring | None = None,
        required: bool = True,
        door: Door | None = None,
    ) -> None:
        self.reserving = Reserving(catalog, resolve)
        self.rules, self.limiter, self.ledger, self.door = rules, limiter, ledger, door
        self._keyring, self._required = keyring, required
        self._known = frozenset(known)
        self._output_tokens = max((model.output_tokens for model in catalog), default=0)

    async def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Return whose key the request shows; see `Gate`. Where nobody could be known, no key is looked at."""
        if self._keyring is None and not self._required:
            return ANONYMOUS
        secret = presented(headers)
        if self._keyring is not None and secret is not None:
            try:
                return await self._keyring.principal(secret)
            except Unauthenticated:
                if self._required:
                    raise
        if self._required:
            raise Unauthenticated(NO_KEY)
        return ANONYMOUS

    async def admit(self, principal: Principal, route: str, query: Query) -> Admitted:
        """Let a query in; see `Gate`. What it sets aside is `Query.max_cost_usd`, which the engine never exceeds."""
        check_route(principal, route, self._known)
        allow, tags = within(principal, query)
        accounts, meters = self.rules.of(subjects(principal, base_route(route, self._known)))
        admitted = Admitted(query=query, gate=self)
        costs = self._costs(accounts, meters, route, query, allow)
        try:
            if meters:
                await self._take(admitted, meters, costs)
            if self.door is not None:
                await self.door.enter()
                admitted.inside = True
            max_cost_usd = query.max_cost_usd
            if costs is not None and accounts and self.ledger is not None:
                admitted.hold = await self.ledger.reserve(accounts, costs.least_usd, costs.most_usd)
                allow, max_cost_usd = costs.allow, _lower(admitted.hold.usd, max_cost_usd)
        except BaseException:
            admitted.settle(None)
            raise
        admitted.query = but(query, allow=allow, tags=tags, max_cost_usd=max_cost_usd)
        return admitted

    def _costs(
        self,
        accounts: Sequence[Account],
        meters: Sequence[Meter],
        route: str,
        query: Query,
        allow: frozenset[str] | None,
    ) -> Range | None:
        """Return what the query may cost among these models, where anything depends on that."""
        if not accounts and all(meter.unit is not Unit.USD for meter in meters):
            return None
        return self.reserving.range(route, query, allow)

    async def _take(self, admitted: Admitted, meters: tuple[Meter, ...], costs: Range | None) -> None:
        amounts = {
            Unit.REQUESTS: 1.0,
            Unit.TOKENS: float(admitted.query.input_tokens + self._output_of(admitted.query)),
            Unit.USD: 0.0 if costs is None else costs.most_usd,
        }
        admitted.readings = await self.limiter.take(meters, amounts)
        admitted.meters, admitted.taken = meters, amounts

    def _output_of(self, query: Query) -> int:
        """Return the tokens that an answer takes from a limit: the caller's own cap, else what models usually write."""
        caps = (query.parameters.get(name) for name in TOKEN_CAPS)
        return next((cap for cap in caps if type(cap) is int and cap >= 0), self._output_tokens)


def _tell_overstated(record: Record, models: Iterable[str]) -> None:
    """Log the calls of a bill that cannot be right; it is booked all the same, as its vendor will bill it."""
    for model in models:
        _logger.warning("Model %r: its upstream states more tokens than the call can take (%s).", model, record.id)


def _lower(held_usd: float, limit_usd: float | None) -> float:
    """Return the lower of what was set aside and the caller's own limit."""
    return held_usd if limit_usd is None else min(held_usd, limit_usd)


def _unused(taken: Amounts, record: Record | None, booked_usd: float | None) -> Mapping[Unit, float]:
    """Return what of the amounts was not needed, below zero where more was; the request itself always was."""
    if record is None:
        return {Unit.TOKENS: taken[Unit.TOKENS], Unit.USD: taken[Unit.USD]}
    unused = {}
    tokens = _tokens(record)
    if tokens is not None:
        unused[Unit.TOKENS] = taken[Unit.TOKENS] - tokens
    cost_usd = record.cost_usd if booked_usd is None else booked_usd
    if cost_usd is not None:
        unused[Unit.USD] = taken[Unit.USD] - float(cost_usd)
    return unused


def _tokens(record: Record) -> int | None:
    """Return the tokens that a request took, of all its calls; None where an upstream did not say."""
    tokens = 0
    for attempt in record.attempts:
        usage = None if attempt.answer is None else attempt.answer.usage
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            return None
        tokens += usage.input_tokens + usage.output_tokens
    return tokens
