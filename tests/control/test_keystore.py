"""Keys and budgets in a file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from switchpoint.control.database import SqliteFile
from switchpoint.control.keys import Key, digest, new_secret
from switchpoint.control.keystore import KeyStore
from switchpoint.control.spending.budgets import Budget, BudgetStore, Per, Scope, Spending, period
from switchpoint.core.errors import ConfigError, RequestError
from switchpoint.core.principal import Permission

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def everything(secret: str) -> Key:
    return Key(
        id="k",
        digest=digest(secret),
        name="all fields",
        created=NOW,
        tenant="acme",
        team="search",
        permissions=frozenset({Permission.INFER, Permission.METRICS}),
        routes=frozenset({"auto"}),
        models=frozenset(),
        expires=NOW + timedelta(days=1),
    )


def test_a_key_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    key = everything(new_secret())
    KeyStore(SqliteFile(tmp_path / "c.sqlite")).add(key)

    assert KeyStore(SqliteFile(tmp_path / "c.sqlite")).all() == [key]


def test_the_file_does_not_hold_the_key_itself(tmp_path: Path) -> None:
    secret = new_secret()
    KeyStore(SqliteFile(tmp_path / "c.sqlite")).add(everything(secret))

    assert all(secret[3:27].encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_revoked_key_is_kept_and_disabled(tmp_path: Path) -> None:
    store = KeyStore(SqliteFile(tmp_path / "c.sqlite"))
    store.add(everything(new_secret()))

    store.revoke("k")

    assert [key.disabled for key in store.all()] == [True]


def test_revoking_an_unknown_key_says_where_to_find_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="keys list"):
        KeyStore(SqliteFile(tmp_path / "c.sqlite")).revoke("nobody")


def test_a_file_that_cannot_be_opened_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").write_text("no database at all, but a text of some length")

    with pytest.raises(ConfigError, match="cannot open"):
        SqliteFile(tmp_path / "c.sqlite")


def test_a_budget_takes_the_place_of_one_of_the_same_name_and_period(tmp_path: Path) -> None:
    store = BudgetStore(SqliteFile(tmp_path / "c.sqlite"))

    for usd in (5.0, 7.0):
        store.set(Budget(Scope.TEAM, "search", Per.DAY, usd))

    assert store.all() == [Budget(Scope.TEAM, "search", Per.DAY, 7.0)]


def test_spending_adds_up_and_only_the_present_periods_are_read(tmp_path: Path) -> None:
    store, now_s = BudgetStore(SqliteFile(tmp_path / "c.sqlite")), NOW.timestamp()
    today = period(Per.DAY, now_s).label

    store.book([Spending("key:k:day", today, 1.0), Spending("key:k:day", "2020-01-01", 9.0)])
    store.book([Spending("key:k:day", today, 0.5)])

    assert store.spending(now_s) == [Spending("key:k:day", today, 1.5)]
