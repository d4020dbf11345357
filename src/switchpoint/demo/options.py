"""The callable options of the demo: one local model, asked in different ways at different cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["OPTIONS", "Option"]

Message = Mapping[str, str]

GREEDY: Mapping[str, Any] = {"temperature": 0, "max_tokens": 12, "stop": ["\n"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A way to ask the model.

    preamble : messages put before the caller's.
    parameters : of every request.
    samples : answers asked for; above 1 the majority of them is the answer.
    """

    id: str
    preamble: tuple[Message, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=lambda: GREEDY)
    samples: int = 1


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

OPTIONS: tuple[Option, ...] = (
    Option(id="plain"),
    Option(id="few-shot", preamble=FEW),
    Option(id="few-shot-labels", preamble=LABELS),
    Option(id="few-shot-words", preamble=WORDS),
)
