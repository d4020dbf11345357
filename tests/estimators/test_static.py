"""The static embedder: norms, batches, and the fit to a teacher."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.query import ROUTING_CHARS
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.static import CLIP, N_SURFACE, StaticEmbedder
from switchpoint.estimators.wordpiece import WordPiece


@given(st.lists(st.text(st.characters(), max_size=60), min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_rows_have_norm_one_or_no_token_at_all(texts: list[str]) -> None:
    norms = np.linalg.norm(Bundled.load().knowledge.embedder.embed(texts), axis=1)

    assert (np.isclose(norms, 1, atol=1e-4) | (norms == 0)).all()


def test_a_batch_is_its_texts_one_by_one(bundled: Bundled) -> None:
    embedder, texts = bundled.knowledge.embedder, ["one", "", "two words", "x" * 3_000]

    together = embedder.read(texts)

    assert np.allclose(together, np.concatenate([embedder.read([text]) for text in texts]), atol=1e-6)


def test_surface_is_clipped_and_the_last_column_is_one(bundled: Bundled) -> None:
    columns = bundled.knowledge.embedder.read(["!" * 1_000, "\n" * 1_000, "漢" * 900])

    assert np.abs(columns[:, -1 - N_SURFACE : -1]).max() == CLIP
    assert (columns[:, -1] == 1).all()


def test_the_middle_of_a_long_text_is_not_read(bundled: Bundled) -> None:
    half = ROUTING_CHARS // 2
    one, other = ("begin " * half)[:half], (" end" * half)[-half:]

    columns = bundled.knowledge.embedder.read([one + "a" * 10_000 + other, one + "b" * 500_000 + other])

    assert (columns[0] == columns[1]).all()


def test_related_texts_are_closer_than_unrelated_ones(bundled: Bundled) -> None:
    a, b, c = bundled.knowledge.embedder.embed(
        [
            "What is the derivative of a polynomial function?",
            "Find the integral of a continuous function.",
            "Which treaty ended the war between the two kingdoms?",
        ]
    )

    assert a @ b > a @ c


def test_one_number_changed_changes_the_name(bundled: Bundled) -> None:
    old = bundled.knowledge.embedder
    codes = old.codes.copy()
    codes[1000, 0] += 1

    assert StaticEmbedder(old.tokenizer, codes, old.scales, old.mean, old.spread).name != old.name


def test_a_fitted_table_repeats_what_the_teacher_says() -> None:
    words = ["[UNK]", "red", "green", "blue", "sun", "moon", "star"]
    random = np.random.default_rng(0)
    meaning = random.standard_normal((len(words), 12))
    texts = [" ".join(random.choice(words[1:], size=4)) for _ in range(200)]
    tokenizer = WordPiece({word: i for i, word in enumerate(words)})
    teacher = np.array([meaning[tokenizer.encode(text)].mean(axis=0) for text in texts])
    teacher /= np.linalg.norm(teacher, axis=1, keepdims=True)

    fitted = StaticEmbedder.fit(tokenizer, texts, teacher, random.standard_normal((len(words), 12)), dim=6)

    said, learned = (teacher - teacher.mean(axis=0)), fitted.embed(texts)
    closeness = np.corrcoef((said @ said.T).ravel(), (learned @ learned.T).ravel())[0, 1]
    assert closeness == pytest.approx(1, abs=0.25)
