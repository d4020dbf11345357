"""The key-value store of one process."""

from hypothesis import given
from hypothesis import strategies as st

from switchpoint.stores.memory import ENTRY_BYTES, Memory


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_value_is_there_until_its_time_is_over():
    clock = Clock()
    store = Memory(clock=clock)
    await store.set("a", b"1", ttl_s=10)

    clock.now = 9.9
    assert await store.get("a") == b"1"
    clock.now = 10
    assert await store.get("a") is None


async def test_what_was_used_longest_ago_goes_first():
    store = Memory(max_bytes=2 * (ENTRY_BYTES + 2))
    await store.set("a", b"1", ttl_s=10)
    await store.set("b", b"2", ttl_s=10)
    await store.get("a")

    await store.set("c", b"3", ttl_s=10)

    assert [await store.get(key) for key in "abc"] == [b"1", None, b"3"]


async def test_a_value_larger_than_the_store_is_not_kept_and_takes_the_old_one_with_it():
    store = Memory(max_bytes=ENTRY_BYTES + 10)
    await store.set("a", b"1", ttl_s=10)

    await store.set("a", b"x" * 100, ttl_s=10)

    assert await store.get("a") is None


async def test_a_forgotten_value_is_gone_and_forgetting_twice_is_nothing():
    store = Memory()
    await store.set("a", b"1", ttl_s=10)

    await store.delete("a")
    await store.delete("a")

    assert await store.get("a") is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=400)), max_size=60), st.integers(0, 3000))
async def test_it_never_holds_more_than_it_may(written: list[tuple[str, bytes]], max_bytes: int):
    store = Memory(max_bytes)
    for key, value in written:
        await store.set(key, value, ttl_s=10)

    held = {key: value for key in "abcdef" if (value := await store.get(key)) is not None}

    assert sum(ENTRY_BYTES + len(key) + len(value) for key, value in held.items()) <= max_bytes
    assert all(dict(written)[key] == value for key, value in held.items())
