"""Who may use what: the gate of a configuration, and what it remembers from one configuration to the next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from switchpoint.config.access import AccessSection, KeySection
from switchpoint.control.database import Database, SharedDatabase, SqliteFile
from switchpoint.control.gate import ControlGate, Rules
from switchpoint.control.keyring import Keyring
from switchpoint.control.keys import Key, digest
from switchpoint.control.keystore import KeyStore
from switchpoint.control.limits import Limit, Limiter, LocalLimiter, Meter, Unit
from switchpoint.control.shared_limits import SharedLimiter
from switchpoint.control.spending.bookkeeper import Bookkeeper
from switchpoint.control.spending.budgets import EACH, Budget, BudgetStore, Per, Scope, accounts_of
from switchpoint.control.spending.ledger import Ledger, LocalLedger
from switchpoint.control.spending.shared_ledger import SharedLedger
from switchpoint.core.errors import ConfigError, RequestError, UnknownRecord
from switchpoint.core.principal import Permission, Principal
from switchpoint.core.record import Feedback
from switchpoint.records.reader import RecordReader

if TYPE_CHECKING:
    from switchpoint.assembly.stores import Stores
    from switchpoint.control.door import Door
    from switchpoint.core.catalog import Catalog
    from switchpoint.core.protocols import Gate
    from switchpoint.records.log import RecordLog
    from switchpoint.routers.routes import Routes

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ADMIN = frozenset({Permission.ADMIN, Permission.METRICS, Permission.RECORDS})
"""What the key of the environment may do: run the gateway, not spend money through it."""

MIN_ADMIN_KEY = 32
FEEDBACK_PER_MIN = 600.0
"""How often one key may say what it thinks."""


class Access:
    """What outlives a reload: the database, what was spent, the buckets of the limits.

    Nothing is opened before a gate is asked for that needs it. What the stores share is shared with every replica.
    """

    def __init__(self, stores: Stores, environment: Mapping[str, str] = os.environ) -> None:
        self._stores = stores
        self._environment = environment
        self._database: Database | None = None
        self._ledger: Ledger | None = None
        self._local: LocalLedger | None = None
        self._limiter: Limiter | None = None
        self._bookkeeper: Bookkeeper | None = None
        self._keyring: Keyring | None = None
        self._rules = Rules()
        self._by_hand: tuple[Budget, ...] = ()
        self._feedback = LocalLimiter()

    def gate(self, section: AccessSection, catalog: Catalog, routes: Routes, door: Door | None = None) -> Gate | None:
        """Return the gate of a configuration; None where it asks for nothing, so that there need not be any.

        Raises ConfigError, StoreUnavailable.
        """
        if not active(section) and door is None:
            return None
        keyring, ledger = None, None
        if active(section):
            fixed = keys_of(section, self._environment)  # first: what it raises must change nothing
            self._rules = Rules(budgets_of(section), limits_of(section))
            ledger = self._opened(section)
            store = KeyStore(self.database(section))
            keyring = Keyring(store.all, fixed, refresh_s=section.refresh_s, after=self._keyring)
            self._keyring = keyring
        return ControlGate(
            catalog=catalog,
            resolve=routes.resolve,
            known=routes.names(),
            rules=self._rules,
            limiter=self._limiter or LocalLimiter(),
            ledger=ledger,
            keyring=keyring,
            required=section.required,
            door=door,
        )

    def may_judge(self, log: RecordLog | None) -> Callable[[Principal, Feedback], None]:
        """Return what keeps a principal from giving feedback on records that are not his tenant's, or too much of it.

        A record of somebody else's is told from none by nobody: both raise UnknownRecord.
        """

        def check(principal: Principal, feedback: Feedback) -> None:
            meter = Meter(f"{Unit.REQUESTS}:feedback:{principal.id}", Unit.REQUESTS, FEEDBACK_PER_MIN)
            self._feedback.take_now([meter], {Unit.REQUESTS: 1.0})
            if log is not None and _tenant(log, feedback.record_id) != principal.tenant:
                raise UnknownRecord(feedback.record_id)

        return check

    def left_usd(self) -> dict[str, float]:
        """Return what every budget of one team, tenant or route has left, as far as this process knows; none of a key.

        It reads no database, so that it may be asked at any time.
        """
        if self._local is None:
            return {}
        named = [each for each in self._rules.budgets if each.name != EACH and each.scope is not Scope.KEY]
        accounts = [account for each in named for account in accounts_of([each], ((each.scope, each.name),))]
        return {account.id: self._local.left_usd(account) for account in accounts}

    def database(self, section: AccessSection) -> Database:
        """Return where keys and budgets are kept."""
        if self._database is None:
            shared = self._stores.postgres
            self._database = SqliteFile(section.path) if shared is None else SharedDatabase(shared)
        return self._database

    async def flush(self) -> None:
        """Book what was spent where replicas share it."""
        for shared in (self._ledger, self._limiter):
            if isinstance(shared, SharedLedger | SharedLimiter):
                await shared.flush()

    def close(self) -> None:
        """Write down what was spent."""
        if self._bookkeeper is not None:
            self._bookkeeper.close()

    def _opened(self, section: AccessSection) -> Ledger:
        if self._ledger is not None:
            self._told(self._by_hand)  # not read again: a reload must not wait for a database
            return self._ledger
        database, local = self.database(section), LocalLedger()
        redis = self._stores.redis
        self._limiter = LocalLimiter() if redis is None else SharedLimiter(redis)
        self._local = local
        self._bookkeeper = Bookkeeper(BudgetStore(database), local, self._told)
        self._bookkeeper.start(waits=isinstance(database, SharedDatabase))
        self._ledger = local
        if isinstance(database, SharedDatabase):
            refuse = section.when_unavailable == "refuse"
            self._ledger = SharedLedger(database.postgres, local, refuse=refuse)
        return self._ledger

    def _told(self, by_hand: Iterable[Budget]) -> None:
        self._by_hand = tuple(by_hand)
        self._rules.set_budgets(self._by_hand)


def _tenant(log: RecordLog, record_id: str) -> str | None:
    """Return the tenant of a record, which may still wait to be written; None where there is no such record."""
    log.flush(1.0)
    try:
        record = RecordReader(log.database).get(record_id)
    except RequestError:
        return None
    return record.tags.get("tenant") if record.id == record_id else None


def active(section: AccessSection) -> bool:
    """Say whether a configuration asks for keys, budgets or limits."""
    return section.required or bool(section.keys or section.budgets or section.limits)


def check_exposed(section: AccessSection, host: str) -> None:
    """Raise ConfigError where everybody on a network could spend the operator's money by oversight."""
    if host in LOOPBACK or section.required or section.open:
        return
    raise ConfigError(
        f"gateway.host: {host!r} can be reached by others, and no keys are demanded. Set access.required = true and "
        "make keys with `switchpoint keys create`, or set access.open = true if something else keeps strangers out."
    )


def keys_of(section: AccessSection, environment: Mapping[str, str]) -> list[Key]:
    """Return the keys of a configuration, and the one of the environment; raises ConfigError for a short one."""
    keys = [_key(name, said) for name, said in section.keys.items()]
    admin = environment.get(section.admin_key_env, "")
    if admin and len(admin) < MIN_ADMIN_KEY:
        raise ConfigError(
            f"access.admin_key_env: {section.admin_key_env} holds {len(admin)} characters. It must hold "
            f"{MIN_ADMIN_KEY} random ones or more: `openssl rand -hex 32` makes some."
        )
    if admin:
        keys.append(Key(id="admin", digest=digest(admin), name="admin", created=datetime.now(UTC), permissions=ADMIN))
    return keys


def budgets_of(section: AccessSection) -> list[Budget]:
    """Return the budgets of a configuration."""
    return [Budget(Scope(scope), name, Per(b.per), b.usd) for b in section.budgets for scope, name in (b.whose(),)]


def limits_of(section: AccessSection) -> list[Limit]:
    """Return the limits of a configuration."""
    found = []
    for limit in section.limits:
        scope, name = limit.whose()
        per_min = {
            Unit.REQUESTS: limit.requests_per_min,
            Unit.TOKENS: limit.tokens_per_min,
            Unit.USD: limit.usd_per_min,
        }
        found += [Limit(Scope(scope), name, unit, rate) for unit, rate in per_min.items() if rate is not None]
    return found


def _key(name: str, said: KeySection) -> Key:
    expires = said.expires
    return Key(
        id=name,
        digest=said.sha256,
        name=name,
        created=datetime.now(UTC),
        tenant=said.tenant,
        team=said.team,
        permissions=frozenset(map(Permission, said.permissions)),
        routes=None if said.routes is None else frozenset(said.routes),
        models=None if said.models is None else frozenset(said.models),
        expires=expires.replace(tzinfo=UTC) if expires is not None and expires.tzinfo is None else expires,
    )
