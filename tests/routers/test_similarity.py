"""Similarity: cosines, shared words, and the mix of both."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.query import FloatArray
from switchpoint.routers.similarity import K1, Similarity, Sparse, terms

TEXTS = ["I want a refund", "refund my order", "reset my password", "忘れたパスワード"]


class Lengths:
    """Embeds a text as a direction given by its length."""

    name, dim = "lengths-2", 2

    def embed(self, texts: Sequence[str]) -> FloatArray:
        angles = np.array([len(text) / 10 for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("Don't PANIC: 42 times!", ["don", "t", "panic", "42", "times"]),
        ("Straße", ["strasse"]),
        ("ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"]),
        ("密码忘记了 reset", ["密码", "码忘", "忘记", "记了", "reset"]),
        ("猫", ["猫"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("…!?", []),
    ],
)
def test_a_text_is_split_into_words_or_pairs_of_characters(text: str, split: list[str]) -> None:
    assert terms(text) == split


def test_the_sparse_similarity_is_the_cosine_of_the_weights_of_bm25() -> None:
    texts = ["red red car", "blue car"]
    idf = {term: math.log(1 + (2 - df + 0.5) / (df + 0.5)) for term, df in {"red": 1, "car": 2, "blue": 1}.items()}
    twice = 2 * (K1 + 1) / (2 + K1)
    first = np.array([math.sqrt(idf["red"]) * twice, math.sqrt(idf["car"])])

    found = Sparse(texts)("car red")

    asked = np.array([math.sqrt(idf["red"]), math.sqrt(idf["car"])])
    assert found[0] == pytest.approx(first @ asked / np.linalg.norm(first) / np.linalg.norm(asked))


def test_words_that_no_route_has_make_a_text_less_like_any() -> None:
    sparse = Sparse(TEXTS)

    assert sparse("refund of the medieval castle")[0] < sparse("a refund")[0]
    assert sparse("medieval castle").tolist() == [0, 0, 0, 0]


@given(st.text(max_size=60), st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_the_sparse_similarity_is_bounded_and_highest_to_itself(text: str, others: list[str]) -> None:
    found = Sparse([text, *others])(text)

    assert found.shape == (1 + len(others),)
    assert (found >= 0).all() and (found <= 1 + 1e-9).all()
    assert found[0] == pytest.approx(1.0 if terms(text) else 0.0)


@given(st.floats(0, 1))
def test_the_hybrid_is_the_convex_mix_of_both(alpha: float) -> None:
    asked = ["my refund", "パスワード"]
    mixed, dense, sparse = (Similarity(TEXTS, Lengths(), a)(asked) for a in (alpha, 1.0, 0.0))

    assert np.allclose(mixed, alpha * dense + (1 - alpha) * sparse)


def test_opposite_directions_are_as_unlike_as_right_angles() -> None:
    opposite = Similarity(["x" * 31], Lengths(), 1.0)([""])

    assert opposite.tolist() == [[0.0]]
