"""The key store: keys in a database, by hash. Nothing is ever deleted, so that records can still be explained."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from switchpoint.control.database import Database, Row
from switchpoint.control.keys import Key
from switchpoint.core.errors import RequestError
from switchpoint.core.principal import Permission

COLUMNS = (
    "id",
    "digest",
    "name",
    "created",
    "tenant",
    "team",
    "permissions",
    "routes",
    "models",
    "expires",
    "disabled",
)


class KeyStore:
    """Adds, lists and revokes keys; it blocks, and raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Key]:
        """Return every key, disabled ones included, in the order in which they were made."""
        with self._database.transaction() as execute:
            rows = execute(f"SELECT {', '.join(COLUMNS)} FROM api_keys ORDER BY created, id")
        return [_key(row) for row in rows]

    def add(self, key: Key) -> None:
        """Keep a new key."""
        marks = ", ".join("?" * len(COLUMNS))
        with self._database.transaction() as execute:
            execute(f"INSERT INTO api_keys ({', '.join(COLUMNS)}) VALUES ({marks})", _row(key))

    def revoke(self, id: str) -> None:
        """Disable a key for ever; raises RequestError where there is none of this id."""
        with self._database.transaction() as execute:
            if not execute("UPDATE api_keys SET disabled = 1 WHERE id = ? RETURNING id", (id,)):
                raise RequestError(f"No key has the id {id!r}. `switchpoint keys list` shows them.", "id")


def _row(key: Key) -> tuple[object, ...]:
    return (
        key.id,
        key.digest,
        key.name,
        key.created.isoformat(),
        key.tenant,
        key.team,
        _text(key.permissions),
        _text(key.routes),
        _text(key.models),
        None if key.expires is None else key.expires.isoformat(),
        int(key.disabled),
    )


def _key(row: Row) -> Key:
    said: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    permissions = _names(said["permissions"]) or frozenset()
    return Key(
        **{
            **said,
            "created": datetime.fromisoformat(said["created"]),
            "permissions": frozenset(Permission(name) for name in permissions),
            "routes": _names(said["routes"]),
            "models": _names(said["models"]),
            "expires": None if said["expires"] is None else datetime.fromisoformat(said["expires"]),
            "disabled": bool(said["disabled"]),
        }
    )


def _text(names: Collection[str] | None) -> str | None:
    return None if names is None else msgspec.json.encode(sorted(names)).decode()


def _names(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(msgspec.json.decode(text, type=list[str]))
