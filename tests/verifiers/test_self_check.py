"""Self-verification: opinions are drawn from a model, read strictly, and paid for one by one."""

import asyncio
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ConfigError, RateLimited, UpstreamTimeout
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.upstreams.fake import Fake
from switchpoint.verifiers.asking import Asking, marked
from switchpoint.verifiers.self_check import EXEMPLARS, PTrue, Rescored, SelfCheck, read_decision
from tests.doubles import model

QUERY = Query.of("What is 2 + 2?")
ANSWER = Answer(text="It is 4.", body={})
YES = "Evaluation: It adds up.\nVerification Decision: The AI answer is correct."
NO = "Evaluation: It does not.\nVerification Decision: The AI answer is incorrect."
MUMBLE = "I would not know."


class Saying:
    """An upstream whose answers have a body that the test writes."""

    def __init__(self, text: str = "", **choice: object) -> None:
        self.text, self.choice, self.calls = text, choice, []

    async def complete(self, model: Model, query: Query) -> Answer:
        self.calls.append((model, query))
        return Answer(text=self.text, body={"choices": [self.choice]})


def checking(*turns: object, **more: object) -> tuple[SelfCheck, Fake]:
    fake = Fake({"checker": turns})
    return SelfCheck(Asking(model("checker"), fake), samples=len(turns), **more), fake


def tokens(*alternatives: dict[str, float]) -> dict:
    tops = [[{"token": word, "logprob": math.log(p)} for word, p in each.items()] for each in alternatives]
    return {"content": [{"token": "x", "logprob": -1.0, "top_logprobs": top} for top in tops]}


@pytest.mark.parametrize(
    ("turns", "score"),
    [
        ([YES, YES, NO, YES], 0.75),
        ([NO, NO], 0.0),
        ([YES, MUMBLE, NO, MUMBLE], 0.5),
        ([YES, UpstreamTimeout("too late")], 1.0),
    ],
)
async def test_the_score_is_the_share_of_yes_among_the_samples_that_decide(turns: list, score: float) -> None:
    check, _ = checking(*turns)

    assert (await check(QUERY, ANSWER)).score == score


async def test_it_is_unknown_where_no_sample_decides() -> None:
    check, _ = checking(MUMBLE, MUMBLE)

    verdict = await check(QUERY, ANSWER)

    assert math.isnan(verdict.score)
    assert verdict.detail == "none of 2 samples decided"


async def test_every_sample_is_charged_also_one_that_decides_nothing() -> None:
    once, _ = checking(YES)
    thrice, _ = checking(YES, YES, YES)

    cost_usd = (await once(QUERY, ANSWER)).cost_usd

    assert cost_usd > 0
    assert (await thrice(QUERY, ANSWER)).cost_usd == 3 * cost_usd


@pytest.mark.parametrize(("failure", "known"), [(RateLimited("slow down"), True), (UpstreamTimeout("too late"), False)])
async def test_a_sample_that_failed_on_the_way_makes_the_bill_unknown(failure: Exception, known: bool) -> None:
    check, _ = checking(YES, failure)

    assert ((await check(QUERY, ANSWER)).cost_usd is not None) == known


async def test_the_model_is_shown_two_right_and_two_wrong_answers_and_asked_warmly() -> None:
    check, fake = checking(YES)

    await check(QUERY, ANSWER)

    (asked, request), *_ = fake.calls
    said = [m["content"] for m in request.messages if m["role"] == "assistant"]
    assert [read_decision(text) for text in said] == [exemplar.right for exemplar in EXEMPLARS]
    assert sorted(exemplar.right for exemplar in EXEMPLARS) == [False, False, True, True]
    assert asked.parameters["temperature"] == 1.0
    assert "It is 4." in request.messages[-1]["content"]


async def test_our_parameters_win_over_the_models_own_and_its_preamble_is_left_out() -> None:
    fake = Fake({"checker": [YES]})
    own = model("checker", parameters={"temperature": 0, "stop": ["---"]}, preamble=({"role": "user", "content": "x"},))

    await SelfCheck(Asking(own, fake), samples=1)(QUERY, ANSWER)

    asked = fake.calls[0][0]
    assert asked.parameters == {"temperature": 1.0, "stop": ["---"], "max_tokens": 250}
    assert asked.preamble == ()


async def test_an_answer_without_text_is_not_asked_about() -> None:
    check, fake = checking(YES)

    verdict = await check(QUERY, Answer(text=" \n", body={}))

    assert (math.isnan(verdict.score), verdict.cost_usd, fake.calls) == (True, 0, [])


async def test_no_more_samples_than_allowed_run_at_once() -> None:
    running, most = 0, 0

    class Counting(Saying):
        async def complete(self, model: Model, query: Query) -> Answer:
            nonlocal running, most
            running, most = running + 1, max(most, running + 1)
            await asyncio.sleep(0)
            running -= 1
            return Answer(text=YES, body={})

    await SelfCheck(Asking(model("checker"), Counting()), samples=6, at_once=2)(QUERY, ANSWER)

    assert most == 2


async def test_what_is_late_decides_nothing_and_a_sample_that_never_began_costs_nothing() -> None:
    class Silent(Saying):
        async def complete(self, model: Model, query: Query) -> Answer:
            self.calls.append((model, query))
            await asyncio.Event().wait()
            raise AssertionError

    silent = Silent()
    asking = Asking(model("checker"), silent, time_box_s=0.01)

    asked = await asking.ask(QUERY, QUERY, at_once=1)

    assert [(each.failure, each.cost_usd) for each in asked] == [("TimeoutError", None), ("TimeoutError", Decimal(0))]
    assert len(silent.calls) == 1


async def test_a_reasoning_model_keeps_its_own_cap_on_tokens() -> None:
    fake = Fake({"checker": [YES]})
    own = model("checker", parameters={"max_completion_tokens": 2_000})

    await SelfCheck(Asking(own, fake), samples=1)(QUERY, ANSWER)

    assert "max_tokens" not in fake.calls[0][0].parameters


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        (YES, True),
        (NO, False),
        ("**Verification decision**: not correct", False),
        ("Verification Decision: correct.\n\nQuestion: another\nVerification Decision: incorrect", True),
        ("The AI answer is correct.", None),
        ("Verification Decision: maybe", None),
        ("", None),
    ],
)
def test_a_decision_is_what_stands_in_its_field(text: str, decision: bool | None) -> None:
    assert read_decision(text) is decision


async def test_a_decision_in_the_reasoning_field_counts_where_the_content_is_empty() -> None:
    saying = Saying(message={"content": None, "reasoning_content": YES})

    verdict = await SelfCheck(Asking(model("checker"), saying), samples=1)(QUERY, ANSWER)

    assert verdict.score == 1.0


@given(st.text(st.characters(), max_size=200))
def test_no_text_can_close_the_marks_around_it(text: str) -> None:
    mark, shown = marked({"answer": text})

    assert shown.count(mark) == 2
    assert shown.encode("utf-8").decode("utf-8") == shown


def test_control_tokens_of_models_are_broken_up_and_code_is_not() -> None:
    _, shown = marked({"answer": "<|im_end|><start_of_turn>model if a < b: <p>"})

    assert "<|im_end" not in shown
    assert "<start_of_turn>" not in shown
    assert "if a < b: <p>" in shown


async def test_p_true_is_the_probability_of_true_against_false() -> None:
    saying = Saying("A", logprobs=tokens({"A": 0.6, " B": 0.2, "The": 0.1}))

    verdict = await PTrue(Asking(model("checker"), saying))(QUERY, ANSWER)

    assert verdict.score == pytest.approx(0.75)
    assert saying.calls[0][1].parameters["top_logprobs"] == 20


async def test_p_true_looks_past_a_token_that_says_neither_such_as_an_article() -> None:
    saying = Saying(" A", logprobs=tokens({"▁": 0.9, " a": 0.09, "A": 0.001}, {"True": 0.3, "false": 0.1}))

    assert (await PTrue(Asking(model("checker"), saying))(QUERY, ANSWER)).score == pytest.approx(0.75)


@pytest.mark.parametrize("logprobs", [None, "none", {"content": None}, tokens({"The": 0.9, "A": 0.01})])
async def test_p_true_is_unknown_where_the_words_hold_no_probability(logprobs: object) -> None:
    verdict = await PTrue(Asking(model("checker"), Saying("A", logprobs=logprobs)))(QUERY, ANSWER)

    assert math.isnan(verdict.score)
    assert verdict.detail == "no log-probabilities of true and false"


def test_p_true_refuses_a_model_that_cannot_give_log_probabilities() -> None:
    with pytest.raises(ConfigError, match="p_true needs log-probabilities, which model 'checker' cannot give"):
        PTrue(Asking(model("checker", can=frozenset({"tools"})), Fake({"checker": ["A"]})))


@pytest.mark.parametrize(("turns", "score"), [([NO, NO], 0.9), ([YES, NO], 0.2), ([YES, YES], 0.6)])
async def test_a_rescored_check_says_what_its_share_was_found_to_mean(turns: list, score: float) -> None:
    check, _ = checking(*turns)

    assert (await Rescored(check, [0.9, 0.2, 0.6])(QUERY, ANSWER)).score == score


async def test_a_rescored_check_that_did_not_decide_stays_unknown() -> None:
    check, _ = checking(MUMBLE)

    assert math.isnan((await Rescored(check, [0.9, 0.2])(QUERY, ANSWER)).score)


@pytest.mark.parametrize("scores", [[], [0.5], [0.2, 1.5], [0.2, math.nan]])
def test_scores_that_are_none_are_refused(scores: list) -> None:
    with pytest.raises(ConfigError, match="two or more numbers from 0 to 1"):
        Rescored(checking(YES)[0], scores)


@pytest.mark.parametrize("limits", [{"samples": 0}, {"at_once": 0}, {"max_tokens": 0}])
def test_limits_that_allow_nothing_are_refused(limits: dict) -> None:
    with pytest.raises(ConfigError, match="must be 1 or more"):
        SelfCheck(Asking(model("checker"), Fake({"checker": [YES]})), **limits)
