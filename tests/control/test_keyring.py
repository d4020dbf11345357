"""Whose key it is: found in memory, revoked within seconds, unmoved by floods."""

import ast
import inspect
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from switchpoint.control import keyring
from switchpoint.control.keyring import EAGER_S, Keyring
from switchpoint.control.keys import Key, digest, new_secret
from switchpoint.core.errors import StoreUnavailable, Unauthenticated


class Store:
    """A store of keys that counts how often it is read, and can be made to fail."""

    def __init__(self, *keys: Key) -> None:
        self.keys, self.reads, self.down = list(keys), 0, False

    def all(self) -> Iterable[Key]:
        self.reads += 1
        if self.down:
            raise StoreUnavailable("it is away")
        return list(self.keys)


class Clock:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def key_of(secret: str, **more: object) -> Key:
    return Key(id="k", digest=digest(secret), name="k", created=datetime.now(UTC), **more)  # type: ignore[arg-type]


def ring(store: Store, clock: Clock) -> Keyring:
    return Keyring(store.all, refresh_s=5.0, clock=clock, now=clock)


async def test_a_known_key_is_its_principal() -> None:
    secret = new_secret()

    principal = await ring(Store(key_of(secret, tenant="acme")), Clock()).principal(secret)

    assert (principal.id, principal.tenant) == ("k", "acme")


async def test_a_revoked_key_is_refused_after_the_refresh_time() -> None:
    secret, clock = new_secret(), Clock()
    store = Store(key_of(secret))
    found = ring(store, clock)
    await found.principal(secret)

    store.keys = [replace(store.keys[0], disabled=True)]
    clock.s += 5.1

    with pytest.raises(Unauthenticated):
        await found.principal(secret)


async def test_a_new_key_is_known_within_a_second() -> None:
    old, new, clock = new_secret(), new_secret(), Clock()
    store = Store(key_of(old))
    found = ring(store, clock)
    await found.principal(old)

    store.keys.append(replace(key_of(new), id="new"))
    clock.s += EAGER_S + 0.1

    assert (await found.principal(new)).id == "new"


async def test_a_flood_of_unknown_keys_reads_the_store_once_a_second_at_most() -> None:
    store, clock = Store(), Clock()
    found = ring(store, clock)

    for _ in range(200):
        clock.s += 0.01
        with pytest.raises(Unauthenticated):
            await found.principal(new_secret())

    assert 1 <= store.reads <= 5  # of two seconds; half of it without anybody waiting


async def test_what_is_no_key_of_ours_does_not_reach_the_store() -> None:
    store = Store()

    with pytest.raises(Unauthenticated):
        await ring(store, Clock()).principal("sk-something-else")

    assert store.reads == 0


async def test_an_expired_key_is_refused() -> None:
    secret, clock = new_secret(), Clock()
    ends = datetime.fromtimestamp(clock.s + 10, UTC)
    found = ring(Store(key_of(secret, expires=ends)), clock)
    await found.principal(secret)

    clock.s += 10

    with pytest.raises(Unauthenticated):
        await found.principal(secret)


async def test_a_key_is_not_refused_while_the_store_has_not_answered_even_once() -> None:
    secret, clock = new_secret(), Clock()
    store = Store(key_of(secret))
    found, store.down = ring(store, clock), True

    with pytest.raises(StoreUnavailable):
        await found.principal(secret)
    store.down, clock.s = False, clock.s + EAGER_S + 0.1

    assert (await found.principal(secret)).id == "k"


async def test_known_keys_stay_valid_while_the_store_is_away() -> None:
    secret, clock = new_secret(), Clock()
    store = Store(key_of(secret))
    found = ring(store, clock)
    await found.principal(secret)

    store.down = True
    clock.s += 60

    assert (await found.principal(secret)).id == "k"


async def test_a_keyring_that_takes_the_place_of_another_knows_what_that_one_read() -> None:
    secret, clock = new_secret(), Clock()
    store = Store(key_of(secret))
    before = ring(store, clock)
    await before.principal(secret)

    store.down = True
    after = Keyring(store.all, refresh_s=5.0, clock=clock, now=clock, after=before)

    assert (await after.principal(secret)).id == "k"


async def test_a_fixed_key_needs_no_store_and_may_look_like_anything() -> None:
    secret = "a key of the environment, long enough"
    found = Keyring(None, [key_of(secret)])

    assert (await found.principal(secret)).id == "k"


async def test_an_unknown_an_expired_and_a_revoked_key_are_told_the_same() -> None:
    clock, expired, revoked = Clock(), new_secret(), new_secret()
    keys = [key_of(expired, expires=datetime.fromtimestamp(1, UTC)), key_of(revoked, disabled=True)]
    found = ring(Store(*keys), clock)
    messages = set()

    for secret in (expired, revoked, new_secret()):
        with pytest.raises(Unauthenticated) as told:
            await found.principal(secret)
        messages.add(str(told.value))

    assert len(messages) == 1


def test_secrets_are_compared_by_their_hash_alone_and_in_constant_time() -> None:
    tree = ast.parse(inspect.getsource(keyring))
    compared = [
        ast.unparse(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for part in (node.left, *node.comparators)
    ]

    assert "secret" not in compared and "known.digest" not in compared
    assert "hmac.compare_digest(known.digest, mark)" in ast.unparse(tree)
