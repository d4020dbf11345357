"""Conversations like tau-bench's, replayed turn by turn against routers whose preference changes at random.

200 conversations of 26 or so messages, in each a system text of 3,000 tokens with the tools, user turns, and tool loops
of one to four calls. The providers' prompt caches are simulated: a model finds the prefix that it last saw of a
conversation, for five minutes. Told are the bill with those caches, the switches, and how many of them came between a
tool call and its result.

The first router draws a model for every request, so that the models have the same shares with stickiness and without,
and the bills differ by the caches alone. The second prefers the highest utility of estimates that are random.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from switchpoint.cascades.sticky import Stickiness, Sticky
from switchpoint.control.conversations.sessions import Sessions
from switchpoint.core.attempt import Answer, Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.conversation import open_tool_loop
from switchpoint.core.decision import Accept, Call, Decision, Reason, Step
from switchpoint.core.model import Model, Usage
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.core.session import Claim
from switchpoint.stores.memory import Memory

CONVERSATIONS = 200
CACHE_S = 300.0
WILLINGNESS_USD = 0.1
SYSTEM = {"role": "system", "content": "policy " * 1_700}
CALL = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"id": "abc"}'}}
OUTPUT_TOKENS = 120


def model(id: str, usd_per_mtok: str) -> Model:
    price = Decimal(usd_per_mtok)
    return Model(
        id=id,
        upstream="none",
        upstream_model=id,
        input_usd_per_mtok=price,
        cached_input_usd_per_mtok=price / 10,
        output_usd_per_mtok=price * 5,
        output_tokens=OUTPUT_TOKENS,
    )


MODELS = Catalog([model("small", "0.3"), model("middle", "1"), model("large", "3")])
ABILITY = {"small": 0.60, "middle": 0.68, "large": 0.74}
SPREAD = 0.15


def qualities(query: Query) -> dict[str, float]:
    """The estimated quality of each model: its ability, and what this turn adds at random."""
    drawn = random.Random(query.id)
    return {id: min(1.0, max(0.0, ABILITY[id] + drawn.uniform(-SPREAD, SPREAD))) for id in MODELS.ids}


class Preferring:
    """Chooses the highest utility of estimates that change at random with every request, or draws."""

    name = "preferring"

    def __init__(self, reason: Reason) -> None:
        self.reason = reason

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        if attempts:
            return Accept(attempt=0)
        quality, tokens = qualities(query), query.input_tokens
        cost_usd = {each.id: each.expected_cost_usd(tokens) or 0.0 for each in MODELS}
        best = max(MODELS.ids, key=lambda id: quality[id] - cost_usd[id] / WILLINGNESS_USD)
        if self.reason is Reason.RANDOM:
            best = MODELS.ids[int(query.draw * len(MODELS))]
        decision = Decision(model=best, router=self.name, reason=self.reason, quality=quality, cost_usd=cost_usd)
        return Call(decision=decision)


@dataclass
class Tally:
    """What a replay came to."""

    requests: int = 0
    switches: int = 0
    unsafe: int = 0
    usd: Decimal = Decimal(0)
    quality: float = 0.0
    cached_tokens: int = 0
    input_tokens: int = 0


@dataclass
class Replay:
    """One conversation: its messages, who answered last, and what each provider's cache still holds."""

    id: str
    messages: list[dict] = field(default_factory=lambda: [SYSTEM])
    model: str | None = None
    caches: dict[str, tuple[float, int]] = field(default_factory=dict)

    def usage(self, chosen: str, tokens: int, now: float) -> Usage:
        """Return the usage of a call, the cache included, and remember what the cache holds then."""
        at, held = self.caches.get(chosen, (-CACHE_S, 0))
        self.caches[chosen] = now, tokens
        cached = min(held, tokens) if now - at < CACHE_S else 0
        return Usage(input_tokens=tokens, cached_input_tokens=cached, output_tokens=OUTPUT_TOKENS)


def turns(seed: int) -> Iterator[tuple[float, dict, int]]:
    """Yield the user's turns: seconds of silence before, the message, and how many tool calls answer it."""
    drawn = random.Random(seed)
    for number in range(drawn.randint(3, 7)):
        pause_s = 20.0 if drawn.random() < 0.95 else 900.0
        text = f"request {number} of {seed}: " + "please look at my booking " * drawn.randint(2, 12)
        yield pause_s, {"role": "user", "content": text}, drawn.randint(0, 4)


async def replay(strategy: Strategy, seed: int, tally: Tally) -> None:
    """Replay one conversation."""
    clock = [1e9]
    sessions = Sessions(Memory(), secret=b"benchmark" * 4, clock=lambda: clock[0])
    conversation = Replay(str(seed))
    for pause_s, said, calls in turns(seed):
        clock[0] += pause_s
        conversation.messages.append(said)
        for left in range(calls, -1, -1):
            await answer(strategy, sessions, conversation, clock[0], tally)
            clock[0] += 3.0
            if left:
                conversation.messages[-1] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
                conversation.messages.append({"role": "tool", "tool_call_id": "1", "content": "row " * 150})


async def answer(strategy: Strategy, sessions: Sessions, conversation: Replay, now: float, tally: Tally) -> None:
    """Have the next request answered: decide, bill, remember."""
    id = f"{conversation.id}-{len(conversation.messages)}"
    query = Query(id=id, messages=tuple(conversation.messages), claim=Claim("x-session-id", conversation.id))
    query = await sessions.prepare(query)
    step = strategy.next(query, ())
    assert isinstance(step, Call)
    chosen = step.decision.model
    usage = conversation.usage(chosen, query.input_tokens, now)
    cost_usd = MODELS[chosen].cost_usd(usage) or Decimal(0)
    attempt = Attempt(
        decision=step.decision, answer=Answer(text="ok", usage=usage, body={}), cost_usd=cost_usd, latency_s=1.0
    )
    sessions(finished(query, attempt))
    await asyncio.sleep(0)
    count(tally, conversation, query, usage, cost_usd, chosen)
    conversation.model = chosen
    conversation.messages.append({"role": "assistant", "content": "It is done. " * 20})


def count(tally: Tally, conversation: Replay, query: Query, usage: Usage, cost_usd: Decimal, chosen: str) -> None:
    switched = conversation.model not in (None, chosen)
    tally.requests += 1
    tally.switches += switched
    tally.unsafe += switched and open_tool_loop(query.messages) is not None
    tally.usd += cost_usd
    tally.quality += qualities(query)[chosen]
    tally.cached_tokens += usage.cached_input_tokens or 0
    tally.input_tokens += usage.input_tokens or 0


def finished(query: Query, attempt: Attempt) -> Record:
    return Record(
        id=query.id,
        at=datetime.now(UTC),
        query_id=query.id,
        route="auto",
        strategy=Preferring.name,
        attempts=(attempt,),
        accepted=0,
        outcome="answered",
        decide_s=0.0,
        latency_s=1.0,
        session=query.session,
    )


def tallied(strategy: Strategy, conversations: int = CONVERSATIONS) -> Tally:
    """Replay every conversation with a strategy."""

    async def all_of_them() -> Tally:
        tally = Tally()
        for seed in range(conversations):
            await replay(strategy, seed, tally)
        return tally

    return asyncio.run(all_of_them())


def strategies() -> dict[str, Strategy]:
    drawn, free = Preferring(Reason.RANDOM), Preferring(Reason.ESTIMATED)
    return {
        "drawn, every request on its own": drawn,
        "drawn, sticky": Sticky(drawn, MODELS),
        "preferred, every request on its own": free,
        "preferred, locks alone": Sticky(free, MODELS, Stickiness(margin=0.0, idle_reset_s=1e-9)),
        "preferred, sticky": Sticky(free, MODELS),
        "preferred, sticky, 0.1 USD for quality": Sticky(free, MODELS, Stickiness(willingness_usd=WILLINGNESS_USD)),
    }


def measure() -> list[dict[str, str]]:
    return [line(name, tallied(strategy)) for name, strategy in strategies().items()]


def line(name: str, tally: Tally) -> dict[str, str]:
    quality, cached = tally.quality / tally.requests, tally.cached_tokens / tally.input_tokens
    return {
        "what": f"{name}: {tally.requests} requests",
        "value": f"{tally.usd:.2f} USD",
        "beside": f"{tally.switches} switches, {tally.unsafe} of them in a tool loop; {cached:.0%} of the input from "
        f"caches; estimated quality {quality:.3f}",
    }


if __name__ == "__main__":
    for each in measure():
        print(f"{each['what']:62} {each['value']:>10}   {each['beside']}")
