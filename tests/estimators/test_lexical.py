"""The surface of a text, feature by feature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.estimators import lexical
from switchpoint.estimators.wordpiece import split, utf8


def features_of(text: str, n_tokens: int = 10) -> dict[str, float]:
    tallies, out = np.zeros((1, lexical.N_TALLIES)), np.zeros((1, len(lexical.NAMES)))
    lexical.tally(utf8(text), n_tokens, split(utf8(text)), out=tallies[0])
    lexical.features(tallies, out=out)
    return dict(zip(lexical.NAMES, out[0].tolist(), strict=True))


def test_classes_of_bytes_are_counted_and_shared_out() -> None:
    found = features_of("12 aB", n_tokens=3)

    assert found["log_digits"] == pytest.approx(np.log1p(2))
    assert found["share_digits"] == pytest.approx(2 / 5)
    assert found["share_upper"] == pytest.approx(1 / 5)
    assert found["bytes_per_token"] == pytest.approx(5 / 3)


def test_repeated_words_lower_the_share_of_distinct_ones() -> None:
    assert features_of("go go go stop")["distinct_words"] == 0.5


def test_an_empty_text_has_no_share_of_anything() -> None:
    found = features_of("", n_tokens=0)

    assert not any(value for name, value in found.items() if name.startswith("share_"))


@given(st.text(st.characters(), max_size=80))
@settings(deadline=None)
def test_shares_of_any_text_are_shares(text: str) -> None:
    found = features_of(text)

    shares = [value for name, value in found.items() if name.startswith("share_")]
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) <= 1 + 1e-9


def test_no_byte_is_of_two_classes() -> None:
    every = b"".join(lexical.CLASSES.values())

    assert len(set(every)) == len(every)
