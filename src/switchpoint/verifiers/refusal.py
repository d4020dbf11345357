"""Refusal: does an answer begin by refusing. Told by its first words, in the languages of most traffic."""

from __future__ import annotations

import re

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query
from switchpoint.verifiers.faults import message_of

STARTS = (
    # English
    r"(i'?m|i am) (very |so |really )?sorry\b(?! to hear| for your| you)",
    r"sorry,",
    r"i apologi[sz]e,? but",
    r"(unfortunately, )?i ?('m|am) (unable|not able|not allowed)\b",
    r"(unfortunately, )?i (can(no|')?t|can not|won't|will not|must decline|must refuse)\b",
    r"as an? (ai|artificial intelligence|(large )?language model)\b[^.\n]{0,80}"
    r"\b(can(no|')?t|can not|unable|not able|do not have|don't have)\b",
    # German, French, Spanish, Portuguese, Italian, Dutch
    r"(es )?tut mir (sehr )?leid\b|entschuldigung,|leider kann ich (dir |ihnen )?(dabei |damit )?nicht\b",
    r"ich kann (dir |ihnen )?(dabei |damit |das )?(leider )?nicht (helfen|beantworten|tun)\b",
    r"(je suis )?(vraiment )?désolée?\b|je ne (peux|suis) pas\b",
    r"lo siento\b|no puedo (ayudar|responder|hacer|proporcionar|cumplir)",
    r"(sinto muito|lamento|desculpe)\b|não posso (ajudar|responder|fornecer)",
    r"mi dispiace\b|non posso (aiutar|risponder|fornir)",
    r"(het spijt me|helaas kan ik)\b|ik kan (je |u )?(hier|daar)?(mee |bij )?niet helpen",
    # Russian, Polish, Turkish
    r"(к сожалению,? я|извините,|я не могу (помочь|ответить|выполнить))",
    r"(przykro mi|niestety nie mogę|przepraszam, ale)",
    r"(üzgünüm|maalesef)\b",
    # Chinese, Japanese, Korean, Arabic, Hindi
    r"(很抱歉|抱歉|对不起|對不起|我无法|我無法|我不能(帮|幫|提供|回答))",
    r"(申し訳(ありません|ございません)|すみませんが|ごめんなさい)",
    r"(죄송합니다|죄송하지만)",
    r"(آسف|عذر[اًا]+|لا (أستطيع|يمكنني))",
    r"(मुझे खेद है|क्षमा करें|माफ़ करें)",
)
READ_CHARS = 200
"""A refusal begins the answer."""

_REFUSAL = re.compile(r"^\W*(" + "|".join(STARTS) + ")", re.IGNORECASE)


def refusal_fault(query: Query, answer: Answer) -> str | None:
    """Say so where the answer begins by refusing, or carries OpenAI's own `refusal` instead of content."""
    said = message_of(answer).get("refusal")
    if isinstance(said, str) and said:
        return "a refusal"
    start = answer.text[:READ_CHARS].replace("’", "'")
    return "a refusal" if _REFUSAL.match(start) else None
