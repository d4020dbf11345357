"""Reward models: three ways to read a reward, one way to squash it."""

import math
from decimal import Decimal

import numpy as np
import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ConfigError, RateLimited, UpstreamTimeout
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.upstreams.embeddings import Embeddings
from switchpoint.upstreams.fake import Fake
from switchpoint.verifiers.asking import Asking
from switchpoint.verifiers.reward import Reward, RewardModel, by_number, by_vector, by_words
from tests.doubles import model
from tests.fake_openai import FakeOpenAI

QUERY = Query.of("What is 2 + 2?")
ANSWER = Answer(text="4", body={})


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def chatting(*turns: object, **more: object) -> RewardModel:
    return RewardModel(by_number(Asking(model("reward"), Fake({"reward": turns})), **more))


@pytest.mark.parametrize(("said", "reward"), [("reward:-3.28", -3.28), ("1.5", 1.5), ("Reward = 2e0", 2.0)])
async def test_a_model_that_chats_says_its_reward_as_a_number(said: str, reward: float) -> None:
    assert (await chatting(said)(QUERY, ANSWER)).score == pytest.approx(sigmoid(reward))


async def test_of_several_numbers_the_named_one_counts() -> None:
    said = "helpfulness:1.6,correctness:-0.4,verbosity:0.9"

    assert (await chatting(said, field="correctness")(QUERY, ANSWER)).score == pytest.approx(sigmoid(-0.4))


async def test_a_model_that_chats_is_sent_the_conversation_with_the_answer_as_its_end() -> None:
    fake = Fake({"reward": ["reward:1"]})

    await RewardModel(by_number(Asking(model("reward"), fake)))(QUERY, ANSWER)

    assert fake.calls[0][1].messages == (*QUERY.messages, {"role": "assistant", "content": "4"})


@pytest.mark.parametrize("said", ["", "quite good", "I give 3 of 5", "reward: high"])
async def test_a_reward_that_cannot_be_read_is_unknown_and_paid_for(said: str) -> None:
    verdict = await chatting(said)(QUERY, ANSWER)

    assert math.isnan(verdict.score)
    assert verdict.cost_usd > 0


class Scoring:
    """An upstream that gives these probabilities to the next token."""

    def __init__(self, **probabilities: float) -> None:
        tops = [{"token": word, "logprob": math.log(p)} for word, p in probabilities.items()]
        self.body = {"choices": [{"logprobs": {"content": [{"top_logprobs": tops}]}}]}

    async def complete(self, model: Model, query: Query) -> Answer:
        return Answer(text="+", body=self.body)


@pytest.mark.parametrize(
    ("probabilities", "score"), [({"good": 0.6, "bad": 0.3}, 2 / 3), ({"good": 0.5}, 0.5 / (0.5 + 1e-6))]
)
async def test_a_model_with_words_scores_by_their_odds(probabilities: dict, score: float) -> None:
    read = by_words(Asking(model("reward"), Scoring(**probabilities)), good=["good"], bad=["bad"])

    assert (await RewardModel(read)(QUERY, ANSWER)).score == pytest.approx(score)


async def test_without_log_probabilities_the_reward_is_unknown() -> None:
    read = by_words(Asking(model("reward"), Fake({"reward": ["+"]})))

    assert (await RewardModel(read)(QUERY, ANSWER)).detail == "no log-probabilities of the words"


def test_a_model_without_log_probabilities_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="model 'reward' cannot give"):
        by_words(Asking(model("reward", can=frozenset()), Fake({"reward": ["+"]})))


@pytest.mark.parametrize(("good", "bad"), [([], ["-"]), (["+"], []), (["yes"], ["yes", "no"])])
def test_words_that_cannot_be_told_apart_are_refused(good: list, bad: list) -> None:
    with pytest.raises(ConfigError, match="none in common"):
        by_words(Asking(model("reward"), Fake({"reward": ["+"]})), good=good, bad=bad)


async def test_an_embeddings_endpoint_with_vectors_of_one_number_gives_a_reward() -> None:
    seen = []

    async def one_number(exchange) -> None:
        seen.append(exchange.received.body["input"])
        body = {"data": [{"index": 0, "embedding": [-1.5]}], "usage": {"prompt_tokens": 40}}
        await exchange.json(body)

    with FakeOpenAI({"rm": one_number}) as server:
        embeddings = Embeddings("rm", server.base_url, "rm", 1, usd_per_mtok=Decimal(1))
        verdict = await RewardModel(by_vector(embeddings.embed))(QUERY, ANSWER)
        await embeddings.close()

    assert (verdict.score, verdict.cost_usd) == (pytest.approx(sigmoid(-1.5)), Decimal("0.00004"))
    assert seen == [["What is 2 + 2?\n\n4"]]


async def test_a_vector_of_several_numbers_is_no_reward() -> None:
    async def embed(texts):
        return np.ones((1, 3)), Decimal(1)

    verdict = await RewardModel(by_vector(embed))(QUERY, ANSWER)

    assert math.isnan(verdict.score)
    assert verdict.cost_usd == 1


def constant(value: float | Exception):
    async def read(query: Query, answer: Answer) -> Reward:
        if isinstance(value, Exception):
            raise value
        return Reward(value, Decimal(0))

    return read


@pytest.mark.parametrize(("value", "score"), [(1.0, 0.5), (3.0, sigmoid(1.0)), (1e9, 1.0), (-1e9, 0.0)])
async def test_the_reward_is_squashed_by_the_stated_line(value: float, score: float) -> None:
    verdict = await RewardModel(constant(value), slope=0.5, intercept=-0.5)(QUERY, ANSWER)

    assert verdict.score == pytest.approx(score)


@pytest.mark.parametrize("value", [math.nan, math.inf])
async def test_a_reward_that_is_not_finite_is_unknown(value: float) -> None:
    assert math.isnan((await RewardModel(constant(value))(QUERY, ANSWER)).score)


@pytest.mark.parametrize(("error", "cost_usd"), [(RateLimited("x"), 0), (UpstreamTimeout("x"), None)])
async def test_an_endpoint_that_fails_leaves_an_unknown_score(error: Exception, cost_usd: int | None) -> None:
    verdict = await RewardModel(constant(error))(QUERY, ANSWER)

    assert math.isnan(verdict.score)
    assert verdict.cost_usd == cost_usd


@pytest.mark.parametrize("line", [{"slope": 0.0}, {"slope": math.nan}, {"intercept": math.inf}])
def test_a_line_that_forgets_the_reward_is_refused(line: dict) -> None:
    with pytest.raises(ConfigError, match="slope and intercept must be finite"):
        RewardModel(constant(1.0), **line)
