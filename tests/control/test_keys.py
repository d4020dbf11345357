"""What a key is, and how a request shows one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.control.keys import RANDOM_BYTES, Key, digest, new_secret, presented, well_formed
from switchpoint.core.errors import Unauthenticated
from switchpoint.core.principal import Permission


def test_a_new_key_is_well_formed_and_like_no_other() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    assert all(well_formed(secret) for secret in made)


def test_a_key_holds_at_least_128_random_bits() -> None:
    assert RANDOM_BYTES * 8 >= 128


@given(place=st.integers(3, 58), letter=st.sampled_from("0123456789abcdef"))
def test_one_mistyped_character_is_found_by_the_checksum(place: int, letter: str) -> None:
    secret = new_secret()
    typed = secret[:place] + letter + secret[place + 1 :]

    assert well_formed(typed) == (typed == secret)


def test_only_the_hash_of_a_key_is_in_what_is_known_of_it() -> None:
    secret = new_secret()
    key = Key(id="k", digest=digest(secret), name="n", created=datetime.now(UTC))

    assert secret not in repr(key)
    assert secret[3:20] not in repr(key.principal())


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"authorization", b"Bearer k"), (b"authorization", b"bearer  k"), (b"x-api-key", b"k"), (b"api-key", b"k")],
)
def test_a_key_may_come_in_any_of_the_usual_headers(name: bytes, value: bytes) -> None:
    assert presented([(b"host", b"here"), (name, value)]) == "k"


@pytest.mark.parametrize("value", [b"Basic dTpw", b"Bearer ", b""])
def test_an_authorization_without_a_bearer_token_shows_no_key(value: bytes) -> None:
    assert presented([(b"authorization", value)]) is None


def test_the_same_key_in_two_headers_is_one() -> None:
    assert presented([(b"authorization", b"Bearer k"), (b"x-api-key", b"k")]) == "k"


def test_several_different_keys_are_refused() -> None:
    with pytest.raises(Unauthenticated, match="several different keys"):
        presented([(b"authorization", b"Bearer k"), (b"x-api-key", b"other")])


def test_a_key_may_infer_and_give_feedback_unless_it_was_made_for_more() -> None:
    key = Key(id="k", digest="0" * 64, name="n", created=datetime.now(UTC))

    assert key.principal().permissions == {Permission.PUBLIC, Permission.INFER, Permission.FEEDBACK}
