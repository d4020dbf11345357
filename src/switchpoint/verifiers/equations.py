"""Equations: the statements "L = R" about numbers that a text makes, and whether each holds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

READ_CHARS = 20_000
"""Only so many of the first characters are read, which bounds the time."""

LEFT_CHARS = 200
RIGHT_CHARS = 80
UNIT_WORDS = 3
"""Between a number and its operator stand at most so many words: "60 chocolate bars + 5"."""

_PLAIN = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "$": "", "£": "", "€": "", "`": ""})
_POWER = re.compile(r"(?<=[0-9)])\*\*(?=[0-9(])")
_LATEX = re.compile(r"\\(times|cdot|div|left|right|[()\[\],])")
_LATEX_MEANS = {"times": "*", "cdot": "*", "div": "/"}
_TIMES = re.compile(r"(?<=[0-9)%])([ \t]?)[xX](?=[ \t]?[0-9(])")
_ASIDE = re.compile(r"\([^()0-9]*\)")
_PIECE = re.compile(r"\n|<<|>>|(?<=[.!?;])\s")
_EQUALS = re.compile(r"(?<![<>!=:~+*/-])=(?![=>])")
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?%?|\.[0-9]+%?)"
    r"|(?P<operator>[-+*/])|(?P<open>\()|(?P<close>\))|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)|(?P<other>\S)"
)
_OPENING = frozenset("[\"'“‘«|")


class Equation(NamedTuple):
    """One statement: an arithmetic expression, and the number it is said to come to.

    left : the value of the expression; NaN where it divides by zero.
    right : the number stated.
    holds : whether they are equal, as far as rounding and percent allow.
    operands : the numbers of the expression, in order.
    divisions : how many divisions the expression has.
    """

    left: float
    right: float
    holds: bool
    operands: tuple[float, ...]
    divisions: int

    @property
    def integer(self) -> bool:
        """Whether the number stated is whole."""
        return self.right.is_integer()


def equations(text: str) -> list[Equation]:
    """Return the statements "L = R" of a text, in order, where L is arithmetic and R begins with a number.

    A line, a calculator annotation `<<...>>` and a sentence each stand alone; "5 * 4 = 2 * 10 = 20" is two statements.
    Unit words, currency signs, remarks in parentheses and thousands separators are passed over. What is not plainly
    arithmetic (a variable, a power, a function, a mixed fraction, a time of day) is left out, not guessed.

    Source: the arithmetic check of calculator-annotated solutions (Cobbe et al. 2021). Differs: it reads prose too.
    """
    found = []
    for piece in _PIECE.split(_normal(text[:READ_CHARS])):
        sides = _EQUALS.split(piece)
        for left, right in pairwise(sides):
            equation = _equation(left, right)
            if equation is not None:
                found.append(equation)
    return found


def evaluate(expression: str) -> float:
    """Return the value of an expression of numbers, `+ - * /`, percent signs and parentheses.

    NaN where it divides by zero, or is not such an expression. Nothing is ever run as code.
    """
    value = _value(list(_TOKEN.finditer(expression)))
    return math.nan if value is None else value


def close(left: float, right: float) -> bool:
    """Whether a stated number is a value, rounded to about three digits; a factor of 100 is a matter of percent."""
    slack = 0.011 * max(1.0, abs(right)) if abs(right) < 10 else max(0.02, 0.002 * abs(right))
    return any(abs(left * factor - right) <= slack for factor in (1.0, 100.0, 0.01))


def number(text: str) -> float:
    """Return the value of a number as people write it: "1,250.5", "30%"."""
    value = float(text.rstrip("%").replace(",", ""))
    return value / 100 if text.endswith("%") else value


def _normal(text: str) -> str:
    text = _POWER.sub("^", text).replace("**", "").translate(_PLAIN)
    text = _LATEX.sub(lambda match: _LATEX_MEANS.get(match[1], ""), text)
    return _ASIDE.sub("", _TIMES.sub(r"\1*", text))


def _equation(left: str, right: str) -> Equation | None:
    tokens = _trailing(list(_TOKEN.finditer(left[-LEFT_CHARS:])))
    stated = _stated(list(_TOKEN.finditer(right[:RIGHT_CHARS])))
    if not any(token.lastgroup == "operator" for token in tokens[1:]) or not stated:
        return None
    value = _value(tokens)
    operands = tuple(number(token[0]) for token in tokens if token.lastgroup == "number")
    divisions = sum(token[0] == "/" for token in tokens)
    if value is None or _adds_percent(tokens):
        return None
    holds = any(close(value, each) for each in stated)
    return Equation(value, stated[0], holds, operands, divisions)


def _trailing(tokens: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """Return the tokens of the arithmetic expression at the end, units left out; none where something else is there."""
    run: list[re.Match[str]] = []
    depth, words, wants_operand, before = 0, 0, True, None
    for token in reversed(tokens):
        kind = token.lastgroup
        if wants_operand and kind == "word" and len(token[0]) > 1 and words < UNIT_WORDS:
            words += 1
            continue
        if wants_operand and kind in ("number", "close"):
            depth += kind == "close"
            wants_operand, words = kind == "close", 0
        elif kind == "open" and depth and (not wants_operand or run[-1][0] == "-"):
            depth, wants_operand = depth - 1, False
        elif not wants_operand and kind == "operator":
            wants_operand = True
        else:
            before = token
            break
        run.append(token)
    run.reverse()
    if wants_operand and words:
        return []
    return _begun(run, before)


def _begun(run: list[re.Match[str]], before: re.Match[str] | None) -> list[re.Match[str]]:
    """Return the expression where what stands before it ends it; drop a bullet."""
    if before is not None and run and not _ends(before, run[0]):
        return []
    if run and run[0].lastgroup == "operator":
        if before is not None and before.lastgroup != "other":
            return []
        # "-5 + 3" begins with a sign; "- 5 + 3" and "* 5 + 3" are items of a list.
        signed = run[0][0] == "-" and len(run) > 1 and run[0].end() == run[1].start()
        return run if signed else run[1:]
    return run


def _ends(before: re.Match[str], first: re.Match[str]) -> bool:
    """Whether a token may stand before an expression without being part of it."""
    apart = before.end() < first.start()
    if before.lastgroup == "word":
        return apart and (len(before[0]) > 1 or before[0] in "aAI")
    if before.lastgroup == "other":
        return before[0] in _OPENING or (apart and before[0] not in "^√\\%}]")
    return before.lastgroup == "open" or (before.lastgroup == "close" and apart and first.lastgroup == "number")


def _stated(tokens: Sequence[re.Match[str]]) -> list[float]:
    """Return the number that a right side begins with, and the value of the expression it begins, where it does."""
    lead = list(_leading(tokens))
    following = tokens[len(lead)] if len(lead) < len(tokens) else None
    first = _value(lead[: 2 if lead and lead[0].lastgroup == "operator" else 1])
    if first is None or (following is not None and _spoils(lead[-1], following)):
        return []
    whole = _value(lead)
    return [first] if whole is None else [first, whole]


def _leading(tokens: Sequence[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Yield the number that comes first, signed perhaps, and the operators and numbers that follow it at once."""
    wants_operand = True
    for place, token in enumerate(tokens):
        sign = place == 0 and token[0] == "-"
        if token.lastgroup != ("number" if wants_operand else "operator") and not sign:
            return
        wants_operand = sign or not wants_operand
        yield token


def _spoils(last: re.Match[str], following: re.Match[str]) -> bool:
    """Whether what follows a number makes it part of something else: 2x, 2^3, 12:30, 3 1/2."""
    glued = last.end() == following.start()
    if following.lastgroup == "word":
        return len(following[0]) == 1 and following[0] not in "aAI"
    if following.lastgroup == "other":
        return following[0] in "^√_\\" or (glued and following[0] == ":")
    return following.lastgroup == "number" or (glued and following.lastgroup == "open")


def _adds_percent(tokens: Sequence[re.Match[str]]) -> bool:
    """Whether a percentage is added or taken off: 100 - 20% is 80 to most people, and 99.8 to a calculator."""
    return any(token[0].endswith("%") and before[0] in "+-" for before, token in pairwise(tokens))


def _value(tokens: Sequence[re.Match[str]]) -> float | None:
    """Return the value of an expression, NaN where it divides by zero; None for what is no expression."""
    try:
        return _Parser(tokens).value()
    except ZeroDivisionError:
        return math.nan
    except ValueError:
        return None


class _Parser:
    """Recursive descent over `+ - * /`, signs and parentheses; raises ValueError for anything else."""

    def __init__(self, tokens: Sequence[re.Match[str]]) -> None:
        self.tokens = [token[0] for token in tokens]
        self.numbers = [token.lastgroup == "number" for token in tokens]
        self.at = 0

    def value(self) -> float:
        """Return the value of all tokens; raises ZeroDivisionError."""
        result = self._sum(0)
        if self.at < len(self.tokens):
            raise ValueError("something follows the expression")
        return result

    def _next(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _sum(self, depth: int) -> float:
        result = self._product(depth)
        while (sign := self._next()) in ("+", "-"):
            self.at += 1
            part = self._product(depth)
            result = result + part if sign == "+" else result - part
        return result

    def _product(self, depth: int) -> float:
        result = self._operand(depth)
        while (sign := self._next()) in ("*", "/"):
            self.at += 1
            part = self._operand(depth)
            result = result * part if sign == "*" else result / part
        return result

    def _operand(self, depth: int) -> float:
        if depth > LEFT_CHARS or self._next() is None:
            raise ValueError("an operand is missing")
        said, is_number = self.tokens[self.at], self.numbers[self.at]
        self.at += 1
        if is_number:
            return number(said)
        if said in ("-", "+"):
            inner = self._operand(depth + 1)
            return -inner if said == "-" else inner
        if said != "(":
            raise ValueError("not an operand")
        inner = self._sum(depth + 1)
        if self._next() != ")":
            raise ValueError("a parenthesis is open")
        self.at += 1
        return inner
