"""New ids."""

import os
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.ids import AT_ONCE, Ids, new_id, timed_id

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC))


def test_ids_are_32_hexadecimal_digits():
    assert all(len(id) == 32 and int(id, 16) >= 0 for id in (new_id(), new_id()))


def test_no_id_comes_twice_beyond_what_is_drawn_at_once():
    ids = Ids()

    assert len({ids() for _ in range(3 * AT_ONCE)}) == 3 * AT_ONCE


def test_a_child_process_draws_ids_of_its_own():
    ids = Ids()
    ids()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ids().encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 32).decode() != ids()


@given(TIMES, st.timedeltas(timedelta(milliseconds=1), timedelta(days=1000)))
def test_timed_ids_sort_by_their_time(at: datetime, later: timedelta):
    assert timed_id(at) < timed_id(at + later)


def test_timed_ids_of_one_moment_differ():
    now = datetime.now(UTC)

    assert len({timed_id(now) for _ in range(1000)}) == 1000
    assert len(timed_id(now)) == 32
