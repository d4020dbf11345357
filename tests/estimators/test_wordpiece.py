"""WordPiece against the reference implementation."""

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece as ReferenceModel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from switchpoint.estimators import wordpiece
from switchpoint.estimators.bundled import SHIPPED
from switchpoint.estimators.wordpiece import WordPiece, utf8

VOCABULARY = (SHIPPED / "vocab.txt").read_bytes()
OURS = WordPiece.parse(VOCABULARY)


def make_reference() -> Tokenizer:
    tokens = {token: i for i, token in enumerate(VOCABULARY.decode().rstrip("\n").split("\n"))}
    tokenizer = Tokenizer(ReferenceModel(tokens, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    return tokenizer


REFERENCE = make_reference()


def is_old(char: str) -> bool:
    """Whether a character has kept its category since Unicode 3.2: the reference's tables are old, Python's are not."""
    category = unicodedata.category(char)
    return category not in ("Cn", "Cs") and unicodedata.ucd_3_2_0.category(char) == category


old_text = st.text(st.characters(exclude_categories=("Cs",)).filter(is_old), max_size=40)
ascii_text = st.text(st.characters(max_codepoint=127), max_size=200)
words = st.lists(st.sampled_from(["don't", "naïve", "x²", "Zürich", "東京", "C++", "10,000", "e-mail"])).map(" ".join)


@given(ascii_text | old_text | words)
@example("Σίσυφος ΌΣΟΣ")  # a final sigma is lowered like any other
@example("İstanbul")
@example("\u0344\u1e9b\u0323")
@example("a\u00adb\u200bc\ufeffd\x7fe\x1cf\x0bg")
@example("字\u3000テ한국어")
@example("w" * 100 + " " + "w" * 101)
@settings(max_examples=500, deadline=None)
def test_ids_are_those_of_the_reference(text: str) -> None:
    assert OURS.encode(text).tolist() == REFERENCE.encode(text).ids


@given(st.text(st.characters(), max_size=50))
@settings(deadline=None)
def test_any_string_has_ids_in_the_vocabulary(text: str) -> None:
    ids = OURS.encode(text)

    assert ((ids >= 0) & (ids < OURS.size)).all()


@pytest.mark.parametrize("text", ["\ud800", "\x00\x01\x02", "a" * 1_000_000, "a b " * 250_000, "\ud83d" * 1_000])
def test_no_text_is_refused(text: str) -> None:
    assert len(OURS.encode(text)) <= len(text)


def test_the_memory_of_pieces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece, "CACHE_ENTRIES", 10)
    tokenizer = WordPiece.parse(VOCABULARY)

    for number in range(100):
        tokenizer.encode(f"piece{number}")

    assert len(tokenizer._pieces) <= 10
    assert len(tokenizer._words) <= 10


def test_long_pieces_are_not_remembered() -> None:
    tokenizer = WordPiece.parse(VOCABULARY)

    tokenizer.encode("x" * 1_000)

    assert not tokenizer._pieces


def test_the_vocabulary_survives_being_written() -> None:
    assert OURS.dump() == VOCABULARY


def test_packed_ids_are_native_integers() -> None:
    packed = OURS.pack(wordpiece.split(utf8("the the")))

    assert np.frombuffer(packed, dtype=wordpiece.ID).tolist() == [1996, 1996]
