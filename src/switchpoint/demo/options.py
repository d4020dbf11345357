"""The callable options of the demo: one local model, asked in different ways at different cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from switchpoint.core.model import Model

MODEL = "gemma-3-270m"
"""The name that the local server gives the model."""

USD_PER_HOUR = Decimal("0.08")
"""Of the whole machine: an assumption, about what two shared cores rent for."""

UPSTREAMS = ("first", "second")
"""Half of the options are asked of the one, half of the other, as if they were two vendors."""

Message = Mapping[str, str]

GREEDY: Mapping[str, Any] = MappingProxyType({"temperature": 0, "max_tokens": 12, "stop": ["\n"]})


def examples(text: str) -> tuple[Message, ...]:
    """Turns of user and assistant from lines written `question => answer`."""
    pairs = (line.strip().split(" => ") for line in text.strip().splitlines())
    return tuple(
        {"role": role, "content": content}
        for pair in pairs
        for role, content in zip(("user", "assistant"), pair, strict=True)
    )


FEW = examples("""
    Antonym of near? => far
    Which continent is Iraq in? => Asia
    How do you say blue in Spanish? => azul
    One dog, two what? => dogs
""")

LABELS = examples("""
    Write seventeen in digits. => 17
    Continue: 4, 8, 12, 16, => 20
    What colour is ink? => blue
    Is a pig an animal, a plant or a tool? => animal
    Animal, plant or tool: what is grass? => plant
    On which continent is Italy? => Europe
    Which language is this: Muchas gracias por todo => Spanish
    Is this review positive or negative? "The tent leaked all night." => negative
    A customer wrote: "The best pizza in town." Is that positive or negative? => positive
    Tim has a cat and Sue has a dog. Who has a dog? => Sue
""")

WORDS = examples("""
    Which letter does "basket" start with? => b
    What is the first letter of the word lantern? => l
    Finish the saying: Many hands make light => work
    Complete the proverb: Better safe than => sorry
    What is the opposite of tall? => short
    Antonym of near? => far
    What is the Spanish for egg? => huevo
    Translate the word "blue" into Spanish. => azul
    What is the French for egg? => œuf
    How do you say blue in French? => bleu
    Put the verb "make" in the simple past. => made
    Today I talk, yesterday I what? => talked
    What is the past tense of keep? => kept
    What is the plural of wife? => wives
    One dog, two what? => dogs
""")


def option(id: str, upstream: str, *preamble: Message) -> Model:
    """A way to ask the model: with these turns before the question, one greedy answer, paid by the second."""
    return Model(
        id=id,
        upstream=upstream,
        upstream_model=MODEL,
        parameters=GREEDY,
        preamble=preamble,
        usd_per_hour=USD_PER_HOUR,
        can=frozenset({"logprobs"}),
    )


OPTIONS: tuple[Model, ...] = (
    option("plain", UPSTREAMS[0]),
    option("few-shot", UPSTREAMS[0], *FEW),
    option("few-shot-labels", UPSTREAMS[1], *LABELS),
    option("few-shot-words", UPSTREAMS[1], *WORDS),
)
