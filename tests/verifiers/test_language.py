"""Language: only a clear mismatch between question and answer counts."""

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query
from switchpoint.verifiers.language import language, language_of

SAID = {
    "English": (
        "The river is the longest of all that flow through this country, and they say that it was "
        "once much wider than it is today."
    ),
    "German": (
        "Der Fluss ist der längste des Landes, und man sagt, dass er früher nicht so schmal war wie auch die anderen."
    ),
    "French": (
        "Le fleuve est le plus long du pays, et les gens disent que dans le passé il était une route pour les bateaux."
    ),
    "Spanish": (
        "El río es el más largo del país, y la gente dice que en el pasado era una ruta para los "
        "barcos que son grandes."
    ),
    "Portuguese": (
        "O rio não é o mais longo do país, mas dizem que no passado era uma rota para os barcos da região e das vilas."
    ),
    "Italian": (
        "Il fiume è il più lungo del paese, e la gente dice che non era come oggi ma una strada "
        "per gli uomini della valle."
    ),
    "Dutch": (
        "De rivier is de langste van het land, en men zegt dat zij niet zo smal was met de boten "
        "die voor ons zijn gebouwd."
    ),
    "Cyrillic": (
        "Эта река самая длинная в стране, и говорят, что раньше она была намного шире, чем сейчас, "
        "и по ней ходили суда."
    ),
    "Chinese or Japanese": (
        "这条河是全国最长的河流，人们说它过去比现在宽得多，而且曾经有许多大船在河上航行，运送货物到南方的城市。"
    ),
    "Hangul": (
        "이 강은 나라에서 가장 긴 강이며 사람들은 예전에는 지금보다 훨씬 더 넓었다고 "
        "말하고 많은 배가 다녔다고 한다 그리고 물건을 남쪽 도시로 실어 날랐으며 "
        "오늘날에도 여전히 아름답다고 한다."
    ),
    "Arabic": (
        "هذا النهر هو الأطول في البلاد ويقول الناس إنه كان في الماضي أوسع بكثير مما هو عليه الآن وكانت السفن تسير فيه."
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_passage_is_told_by_script_or_by_its_small_words(name: str) -> None:
    assert language_of(SAID[name]) == name


@pytest.mark.parametrize("text", ["", "42", "OK, done.", "x = f(y) + 1", "```\n" + SAID["German"] + "\n```", "\ud800"])
def test_a_short_text_or_code_is_of_no_certain_language(text: str) -> None:
    assert language_of(text) is None


@pytest.mark.parametrize("name", [name for name in SAID if name != "English"])
async def test_an_english_question_answered_in_another_language_is_a_mismatch(name: str) -> None:
    verdict = await language(Query.of(SAID["English"]), Answer(text=SAID[name], body={}))

    assert (verdict.score, verdict.detail) == (0.0, f"answers in {name} what was asked in English")


@pytest.mark.parametrize("name", SAID)
async def test_an_answer_in_the_language_of_the_question_is_none(name: str) -> None:
    assert (await language(Query.of(SAID[name]), Answer(text=SAID[name], body={}))).score == 1.0


@pytest.mark.parametrize("wish", ["Translate: ", "Sag es auf Deutsch: ", "Write in French: ", "翻译: "])
async def test_where_the_conversation_names_a_language_nothing_is_a_mismatch(wish: str) -> None:
    assert (await language(Query.of(wish + SAID["English"]), Answer(text=SAID["German"], body={}))).score == 1.0


async def test_a_question_of_no_certain_language_may_be_answered_in_any() -> None:
    assert (await language(Query.of("2 + 2?"), Answer(text=SAID["Arabic"], body={}))).score == 1.0
