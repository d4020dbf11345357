"""Language: is the answer in that of the question. Only a clear mismatch counts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.query import Query, content_text, window
from switchpoint.verifiers.faults import verdict

READ_CHARS = 4_000
ASKED_LETTERS = 12
ANSWER_LETTERS = 80
"""A question, an answer, of fewer letters is of no certain language."""
CLEAR = 0.8
"""The share of letters that one script must have."""
HITS = 4
DISTINCT = 3
HIT_SHARE = 0.12
"""A language of the Latin script is told by so many of its own words, different ones, and such a share of all words."""
CJK = ("CJK", "HIRAGANA", "KATAKANA")

STOP_WORDS = {
    "English": "the and of to is are was were that this with for what which how not you have from they their would",
    "German": "der die das und ist nicht ein eine mit den dem zu für auf sind wie was wird von sich auch",
    "French": "le les des et est une dans pour que qui pas sur avec sont ce cette du au vous nous quel quelle",
    "Spanish": "el los las es una para que por con del se como su más cuál qué son está pero sus",
    "Portuguese": "os um uma é para que com não do da em dos das como mais são você qual seu",
    "Italian": "il gli è una per che con non del della di sono come più quale nel alla questo anche",
    "Dutch": "de het een en is niet van met voor dat zijn op te aan wat hoe ook deze wordt naar",
    "Swedish": "och är att det en ett som för på med inte av den till har hur vad om kan var",
    "Polish": "nie na jest się że jak co dla są od czy po oraz który przez jako tylko przy ale może",
    "Turkish": "ve bir bu ne için ile de da olan olarak nasıl var çok daha gibi mi kadar en ya şu",
    "Indonesian": "yang dan di dari untuk dengan adalah ini itu pada tidak dalam apa akan ke atau juga bagaimana",
}
_WORDS = {language: frozenset(words.split()) for language, words in STOP_WORDS.items()}

_CODE = re.compile(r"```.*?(```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")
_NAMES = re.compile(
    r"translat|übersetz|tradu|перев|翻译|翻譯|翻訳|번역|ترجم|अनुवाद|\blanguage|\b(english|german|deutsch|french|français|spanish"
    r"|español|castellano|portuguese|português|italian|dutch|nederlands|swedish|svenska|polish|polski|turkish|türkçe"
    r"|indonesian|russian|chinese|mandarin|japanese|korean|arabic|hindi|hebrew|greek|thai|latin|englisch|anglais|inglés|inglês"
    r"|inglese|engels|engelska|angielsk|ingilizce|inggris)|русск|английск|中文|英文|英语|英語|日本語|한국어|영어|العربية|हिन्दी|हिंदी",
    re.IGNORECASE,
)


async def language(query: Query, answer: Answer) -> Verdict:
    """Score 0 if the answer is clearly in another language than the question, else 1. Free."""
    return verdict(language_fault(query, answer))


def language_fault(query: Query, answer: Answer) -> str | None:
    """Say so where both languages are certain and differ, and nothing in the conversation names a language."""
    given = language_of(answer.text, ANSWER_LETTERS)
    asked = language_of(query.full_text, ASKED_LETTERS) if given is not None else None
    if asked is None or asked == given or _names_a_language(query):
        return None
    return f"answers in {given} what was asked in {asked}"


def language_of(text: str, least_letters: int = ANSWER_LETTERS) -> str | None:
    """Return the language of a text, or its script where that is not Latin; None where it is not certain.

    Code, addresses and everything after the first 4,000 characters are passed over. Chinese and Japanese are one
    answer, "Chinese or Japanese": a Japanese title can be all in Chinese characters.
    """
    words = _WORD.findall(_CODE.sub(" ", text[:READ_CHARS]))
    letters = "".join(words)
    scripts = Counter(map(_script, letters))
    # A Chinese character or a Korean syllable says about as much as two letters.
    if len(letters) + scripts["CJK"] + scripts["HANGUL"] < least_letters:
        return None
    script, count = scripts.most_common(1)[0]
    if count < CLEAR * len(letters):
        return None
    if script == "CJK":
        return "Chinese or Japanese"
    return _latin(words) if script == "LATIN" else script.capitalize()


def _script(letter: str) -> str:
    """Return the first word of the character's Unicode name, which is its script."""
    if letter.isascii():
        return "LATIN"
    script = unicodedata.name(letter, "?").split(" ", 1)[0]
    return "CJK" if script in CJK else script


def _latin(words: list[str]) -> str | None:
    lower = [word.casefold() for word in words]
    hits = {language: sum(word in own for word in lower) for language, own in _WORDS.items()}
    (best, most), (_, next_most) = Counter(hits).most_common(2)
    distinct = len(_WORDS[best].intersection(lower))
    certain = most >= HITS and distinct >= DISTINCT and most >= HIT_SHARE * len(words) and most >= 2 * next_most
    return best if certain else None


def _names_a_language(query: Query) -> bool:
    return any(_NAMES.search(window(content_text(message.get("content")))) for message in query.messages)
