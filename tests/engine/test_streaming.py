"""Deciding during an answer: what is held, what leaves, and what is never re-routed."""

import asyncio
import json
import math
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import pytest

from switchpoint.cascades.prefix import PrefixGate
from switchpoint.cascades.resilient import Resilient
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Chunk, Verdict
from switchpoint.core.decision import Accept, Call, Decision, GiveUp, Hold, Reason
from switchpoint.core.errors import BadAnswer, NoAnswer, UpstreamError
from switchpoint.core.query import Query
from switchpoint.engine.engine import Engine
from switchpoint.upstreams.fake import Fake, Reply
from switchpoint.verifiers.plain import checks, confidence
from tests.doubles import catalog

MODELS = catalog("mini", "big")
QUERY = Query.of("hello")
LONG = "one two three four five six seven eight nine ten"


class Pieces:
    """Streams given deltas by model, and remembers what was read of each and whether it was closed."""

    def __init__(self, gap_s: float = 0.0, **deltas):
        self.gap_s, self.deltas = gap_s, deltas
        self.read, self.closed = dict.fromkeys(deltas, 0), []

    async def stream(self, model, query):
        try:
            for delta in self.deltas[model.id]:
                await asyncio.sleep(self.gap_s)
                self.read[model.id] += 1
                yield chunk_of(delta)
        finally:
            self.closed.append(model.id)

    async def close(self):
        pass


def chunk_of(delta) -> Chunk:
    delta = {"content": delta} if isinstance(delta, str) else delta
    reason = delta.get("finish_reason")
    choice = {"index": 0, "delta": {k: v for k, v in delta.items() if k != "finish_reason"}, "finish_reason": reason}
    return Chunk(data=json.dumps({"choices": [choice]}).encode(), text=delta.get("content", ""), finish_reason=reason)


END = {"finish_reason": "stop"}


def scoring(*scores: float, seen: list | None = None):
    left = list(scores)

    async def verifier(query, answer):
        if seen is not None:
            seen.append(answer)
        return Verdict(score=left.pop(0))

    return verifier


def made(upstream, verifier=checks, **options):
    records = []
    engine = Engine(
        catalog=MODELS,
        upstreams={"fake": upstream},
        sink=records.append,
        verifiers={"v": verifier, "confidence": confidence},
        default_model="big",
        **options,
    )
    return engine, records


def gate(prefix_tokens: int = 3, **options) -> Resilient:
    return Resilient(PrefixGate("gate", MODELS, ["mini", "big"], "v", 0.5, prefix_tokens, **options), MODELS, retries=0)


def cascade() -> Resilient:
    return Resilient(ThresholdCascade("c", MODELS, ["mini", "big"], "v", 0.5), MODELS, retries=0)


async def streamed(engine: Engine, strategy, query: Query = QUERY):
    run = engine.start(strategy, query, stream=True)
    async with aclosing(run.chunks()) as chunks:
        text = "".join([chunk.text async for chunk in chunks])
    return text, run.record


class TestAHeldBeginning:
    async def test_a_good_beginning_streams_on_and_nobody_else_is_called(self) -> None:
        seen: list = []
        fake = Fake({"mini": [LONG], "big": ["x"]})
        engine, _ = made(fake, scoring(0.9, seen=seen))

        text, record = await streamed(engine, gate())

        assert (text, record.accept_reason) == (LONG, "beginning verified")
        assert LONG.startswith(seen[0].text) and 12 <= len(seen[0].text) < len(LONG)
        assert [m.id for m, _ in fake.calls] == ["mini"]
        (attempt,) = record.attempts
        assert attempt.answered and attempt.committed and attempt.verdict.score == 0.9
        assert attempt.cost_usd is not None and attempt.answer.text == LONG

    async def test_a_rejected_beginning_leaves_no_byte_and_is_in_the_record(self) -> None:
        fake = Fake({"mini": [LONG], "big": ["better"]})
        engine, _ = made(fake, scoring(0.1))

        text, record = await streamed(engine, gate())

        assert (text, record.answered_by) == ("better", "big")
        draft, given = record.attempts
        assert (draft.partial, draft.failure, draft.committed, draft.cost_usd) == (True, None, False, None)
        assert draft.verdict.score == 0.1
        assert given.decision.reason is Reason.SWITCHED
        assert record.cost_usd is None  # what an abandoned stream costs, nobody tells

    async def test_the_upstream_of_a_rejected_beginning_is_closed_before_the_next_is_called(self) -> None:
        upstream = Pieces(mini=["a" * 12] * 9 + [END], big=["better", END])
        engine, _ = made(upstream, scoring(0.1))

        await streamed(engine, gate())

        assert upstream.read["mini"] == 1
        assert upstream.closed == ["mini", "big"]

    async def test_its_length_is_counted_in_log_probabilities_where_there_are_any(self) -> None:
        chunks = [replace(chunk_of("word "), logprobs=(-0.1,)) for _ in range(6)]

        class Sure(Pieces):
            async def stream(self, model, query):
                for chunk in (*chunks, chunk_of(END)):
                    yield chunk

        seen: list = []
        engine, _ = made(Sure(), scoring(0.9, seen=seen))
        await streamed(engine, gate(prefix_tokens=4))

        assert len(seen[0].logprobs) == 4

    async def test_an_answer_that_ends_within_it_is_judged_whole(self) -> None:
        engine, _ = made(Fake({"mini": ["short"], "big": ["better"]}), scoring(0.9))

        text, record = await streamed(engine, gate(prefix_tokens=100))

        assert (text, record.accept_reason) == ("short", "verified")
        assert not record.attempts[0].partial

    async def test_without_streaming_the_whole_answer_is_judged(self) -> None:
        engine, _ = made(Fake({"mini": [LONG], "big": ["better"]}), scoring(0.1))

        record = await engine.run(gate(), QUERY)

        assert record.answer.text == "better"
        assert [a.partial for a in record.attempts] == [False, False]
        assert record.attempts[1].decision.reason is Reason.ESCALATED

    async def test_after_its_first_committed_token_nothing_is_re_routed(self) -> None:
        broken = Reply(text=LONG, error=BadAnswer("cut off"))
        fake = Fake({"mini": [broken], "big": ["better"]})
        engine, records = made(fake, scoring(0.9))

        with pytest.raises(BadAnswer, match="cut off"):
            await streamed(engine, gate())

        assert [m.id for m, _ in fake.calls] == ["mini"]
        assert (records[0].outcome, records[0].accepted) == ("failed", None)
        assert records[0].attempts[0].committed

    async def test_it_may_be_accepted_for_another_answer_in_hand(self) -> None:
        class Two:
            name = "two"

            def next(self, query, attempts):
                if len(attempts) == 2:
                    return Accept(attempt=0, reason="the first after all")
                decision = Decision(model=["mini", "big"][len(attempts)], router="two", reason=Reason.FIXED)
                return Call(decision=decision, hold=[Hold.ALL, Hold.PREFIX][len(attempts)], prefix_tokens=1)

        upstream = Pieces(mini=["first", END], big=["other"] * 9)
        text, record = await streamed(made(upstream)[0], Two())

        assert text == "first"
        assert [a.partial for a in record.attempts] == [False, True]

    async def test_where_every_later_model_fails_the_abandoned_one_answers_after_all(self) -> None:
        engine, _ = made(Fake({"mini": [LONG], "big": [UpstreamError("down")]}), scoring(0.1))

        text, record = await streamed(engine, gate())

        assert text == LONG
        assert [a.decision.reason for a in record.attempts] == ["first_of_cascade", "switched", "fell_back"]

    async def test_where_all_fail_the_story_is_told(self) -> None:
        engine, records = made(Fake({"mini": [BadAnswer("no")], "big": [UpstreamError("down")]}))

        with pytest.raises(NoAnswer, match="mini: BadAnswer: no; big: UpstreamError: down"):
            await streamed(engine, gate())

        assert records[0].accepted is None

    async def test_it_is_given_where_deciding_fails(self) -> None:
        class Bug(PrefixGate):
            def next(self, query, attempts):
                return super().next(query, attempts) if not attempts else 1 / 0

        engine, _ = made(Fake({"mini": [LONG]}))

        text, record = await streamed(engine, Bug("gate", MODELS, ["mini", "big"], "v", 0.5, 3))

        assert (text, record.accept_reason) == (LONG, "deciding failed")

    async def test_giving_up_ends_its_call(self) -> None:
        class Quitter:
            name = "quitter"

            def next(self, query, attempts):
                call = Call(decision=Decision(model="mini", router="q", reason=Reason.FIXED), hold=Hold.PREFIX)
                return GiveUp(reason="enough") if attempts else call

        upstream = Pieces(mini=["beginning"] * 9)
        engine, records = made(upstream)

        with pytest.raises(NoAnswer, match="enough"):
            await streamed(engine, Quitter())

        assert upstream.closed == ["mini"] and records[0].attempts[0].partial

    async def test_why_it_was_accepted_is_known_before_its_first_chunk(self) -> None:
        run = made(Fake({"mini": [LONG]}), scoring(0.9))[0].start(gate(), QUERY, stream=True)

        async with aclosing(run.chunks()) as chunks:
            await anext(chunks)

            assert run.accept_reason == "beginning verified"

    async def test_log_probabilities_are_asked_for_where_the_verifier_reads_them(self) -> None:
        fake = Fake({"mini": [Reply(text=LONG, logprobs=(-0.1,) * 10)]})
        strategy = PrefixGate("gate", MODELS, ["mini", "big"], "confidence", 0.5, 3, needs_logprobs=True)

        _, record = await streamed(made(fake)[0], strategy)

        assert fake.calls[0][1].parameters == {"logprobs": True}
        assert record.attempts[0].verdict.score == pytest.approx(math.exp(-0.1))


def call_piece(index=0, **function):
    return {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]}


class TestToolsAndForms:
    CALL = ("Let me look.", call_piece(name="find", arguments='{"q":'), call_piece(arguments=' "x"}'), END)

    async def test_a_tool_call_never_precedes_its_verdict(self) -> None:
        upstream = Pieces(mini=self.CALL, big=["an answer", END])
        seen: list = []
        engine, _ = made(upstream, scoring(0.0, seen=seen))

        text, record = await streamed(engine, gate(prefix_tokens=50))

        assert text == "an answer"
        assert not record.attempts[0].partial
        (call,) = seen[0].body["choices"][0]["message"]["tool_calls"]
        assert call["function"] == {"name": "find", "arguments": '{"q": "x"}'}

    @pytest.mark.parametrize(
        "query",
        [
            replace(QUERY, needs=frozenset({"tools"})),
            replace(QUERY, parameters={"tools": [{"type": "function"}]}),
            replace(QUERY, parameters={"response_format": {"type": "json_object"}}),
            replace(QUERY, needs=frozenset({"json_schema"})),
        ],
    )
    async def test_where_tools_or_a_form_are_asked_for_the_whole_answer_is_held(self, query) -> None:
        upstream = Pieces(mini=["a beginning that is long enough", *self.CALL[1:]], big=["an answer", END])
        seen: list = []

        text, record = await streamed(made(upstream, scoring(0.0, seen=seen))[0], gate(), query)

        assert text == "an answer"
        assert not record.attempts[0].partial and seen[0].body["choices"][0]["message"]["tool_calls"]

    async def test_an_accepted_tool_call_leaves_with_the_frames_that_came(self) -> None:
        upstream = Pieces(mini=self.CALL)
        run = made(upstream, scoring(1.0))[0].start(gate(prefix_tokens=50), QUERY, stream=True)

        async with aclosing(run.chunks()) as chunks:
            data = [chunk.data async for chunk in chunks]

        assert data == [chunk_of(delta).data for delta in self.CALL]

    async def test_a_plain_text_form_is_no_reason_to_hold_all(self) -> None:
        query = replace(QUERY, parameters={"response_format": {"type": "text"}, "tools": []})

        _, record = await streamed(made(Pieces(mini=[LONG, END]), scoring(1.0))[0], gate(), query)

        assert record.accept_reason == "beginning verified"


class TestTheBoundOnWhatIsHeld:
    async def test_an_answer_that_must_be_held_whole_and_is_too_long_fails_and_the_next_is_called(self) -> None:
        upstream = Pieces(mini=["x" * 100] * 1000, big=["better", END])
        engine, _ = made(upstream, max_held_bytes=1000)

        text, record = await streamed(engine, cascade())

        assert text == "better"
        assert record.attempts[0].failure.kind == "BadAnswer" and not record.attempts[0].failure.retryable
        assert upstream.read["mini"] < 20

    async def test_a_beginning_that_is_too_long_is_judged_as_far_as_it_came(self) -> None:
        seen: list = []
        engine, _ = made(Pieces(mini=["x" * 100] * 30 + [END]), scoring(1.0, seen=seen), max_held_bytes=1000)

        text, _ = await streamed(engine, gate(prefix_tokens=10_000))

        assert len(text) == 3000 and len(seen[0].text) < 1000

    async def test_reasoning_counts_for_the_bound_and_not_for_the_beginning(self) -> None:
        thought = {"reasoning_content": "hm " * 20}
        seen: list = []
        engine, _ = made(Pieces(mini=[thought] * 5 + [LONG, LONG, END]), scoring(1.0, seen=seen))

        await streamed(engine, gate())

        assert seen[0].text == LONG
        assert seen[0].body["choices"][0]["message"]["reasoning_content"] == "hm " * 100


class TestACallerWhoGoesAway:
    async def gone(self, engine: Engine, strategy, after_s: float = 0.05) -> None:
        task = asyncio.ensure_future(streamed(engine, strategy))
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 1.0)

    async def test_while_a_held_answer_is_written_ends_the_call(self) -> None:
        upstream = Pieces(gap_s=0.01, mini=["word "] * 5000)
        engine, records = made(upstream)

        await self.gone(engine, cascade())

        assert upstream.closed == ["mini"]
        assert records[0].outcome == "cancelled" and records[0].attempts[0].failure.kind == "Cancelled"

    async def test_while_a_beginning_is_verified_ends_the_verifier_and_the_call(self) -> None:
        ended = []

        async def slow(query, answer):
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("verifier")

        upstream = Pieces(mini=[LONG] * 50)
        engine, records = made(upstream, slow)

        await self.gone(engine, gate())

        assert (ended, upstream.closed) == (["verifier"], ["mini"])
        assert records[0].outcome == "cancelled" and records[0].accepted is None
        assert records[0].attempts[0].failure.kind == "Cancelled"


async def test_what_a_stream_has_given_is_accepted_whatever_the_strategy_says_then() -> None:
    class Restless:
        name = "restless"

        def next(self, query, attempts):
            return Call(decision=Decision(model="big", router="r", reason=Reason.FIXED))

    fake = Fake({"big": ["one answer"]})
    text, record = await streamed(made(fake)[0], Restless())

    assert (text, record.accept_reason, len(fake.calls)) == ("one answer", "already given", 1)


async def test_every_verdict_and_every_draft_is_on_the_bill() -> None:
    async def dear(query, answer):
        return Verdict(score=0.0, cost_usd=Decimal("0.25"))

    _, record = await streamed(made(Fake({"mini": [LONG], "big": ["better"]}), dear)[0], cascade())

    assert record.cost_usd == record.attempts[0].cost_usd + Decimal("0.25") + record.attempts[1].cost_usd
    assert record.wasted_usd == record.attempts[0].cost_usd + Decimal("0.25")
