"""Refusal: an answer that begins by refusing."""

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query
from switchpoint.verifiers.refusal import refusal_fault

QUERY = Query.of("q")


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "**I’m very sorry**, I cannot.",
        "Sorry, no.",
        "I cannot assist with this.",
        "As an AI language model, I don't have access to it.",
        "Unfortunately, I am unable to do so.",
        "Es tut mir leid, aber das geht nicht.",
        "Ich kann Ihnen dabei nicht helfen.",
        "Je suis désolé, mais je ne peux pas.",
        "Lo siento, pero no puedo ayudarte.",
        "Mi dispiace, non posso aiutarti.",
        "Desculpe, não posso ajudar.",
        "Het spijt me, dat kan ik niet.",
        "Извините, я не могу помочь.",
        "很抱歉，我无法回答。",
        "申し訳ありませんが、お答えできません。",
        "죄송합니다. 도와드릴 수 없습니다.",
        "عذراً، لا أستطيع المساعدة.",
    ],
)
def test_a_refusal_is_told_in_many_languages(text: str) -> None:
    assert refusal_fault(QUERY, Answer(text=text, body={})) == "a refusal"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The letter says: I'm sorry.",
        "I'm sorry to hear that. Try a cold cloth.",
        "As an AI, I find this fascinating: the answer is 4.",
        "Cannot is a verb.",
        "Sorry is a board game.",
    ],
)
def test_an_answer_that_only_speaks_of_regret_is_none(text: str) -> None:
    assert refusal_fault(QUERY, Answer(text=text, body={})) is None


def test_the_field_for_refusals_counts_too() -> None:
    body = {"choices": [{"message": {"content": None, "refusal": "No."}}]}

    assert refusal_fault(QUERY, Answer(text="", body=body)) == "a refusal"
