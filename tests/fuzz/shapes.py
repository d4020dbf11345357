"""What in a regular expression can take more than linear time: found in its tree, without running it.

Python's engine tries again from every place where a search fails, and takes back whatever a repeat has taken. So a
pattern is quadratic, or worse, only where a repeat without a bound stands inside another, beside one that takes the
same characters, or first in a search that can still fail after it.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from re import _compiler, _constants, _parser  # the tree has no public form
from types import ModuleType
from typing import Any, NamedTuple

MANY = 1_000
REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
ALPHABET = [chr(code) for code in range(128)] + list("é„’中界一")


class Found(NamedTuple):
    """One pattern of the package."""

    where: str
    pattern: str | bytes
    flags: int = 0


def patterns(package: str, rooms: set[str]) -> Iterator[Found]:
    """Yield every pattern that the rooms compile as they are imported, and every one that stands in a call of `re`."""
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if found.name.split(".")[1] in rooms and not found.ispkg:
            module = importlib.import_module(found.name)
            yield from _compiled(module)
            yield from _inline(module)


def _compiled(module: ModuleType) -> Iterator[Found]:
    waiting = [value for name, value in vars(module).items() if not name.startswith("__")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, re.Pattern):
            yield Found(module.__name__, value.pattern, value.flags & ~re.UNICODE)
        elif isinstance(value, tuple):
            waiting.extend(value)


def _inline(module: ModuleType) -> Iterator[Found]:
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
        called = node.func if isinstance(node, ast.Call) and node.args else None
        if isinstance(called, ast.Attribute) and ast.unparse(called.value) == "re" and called.attr != "escape":
            given = node.args[0]
            if isinstance(given, ast.Constant) and called.attr != "compile":
                yield Found(module.__name__, given.value)


def faults(found: Found) -> list[str]:
    """Return what in a pattern can take more than linear time."""
    tree = _parser.parse(found.pattern, found.flags)
    return sorted({*_inside(tree, False), *_beside(tree), *_first(tree, found.flags)})


def _inside(tree: Any, repeated: bool) -> Iterator[str]:
    for op, value in tree:
        wide = op in REPEATS and value[1] >= MANY
        if wide and repeated:
            yield "a repeat inside a repeat"
        for inner in _bodies(op, value):
            yield from _inside(inner, repeated or wide)


def _beside(tree: Any) -> Iterator[str]:
    items = list(_flat(tree))
    for number, item in enumerate(items):
        if not _wide(item) or item[0] is _constants.POSSESSIVE_REPEAT:  # which gives nothing back
            continue
        taken = _taken(item[1][2])
        for other in items[number + 1 :]:
            if _wide(other) and taken & _taken(other[1][2]):
                yield "a repeat beside one that takes the same"
            if _needed(other) and not taken & _taken([other]):
                break
    for op, value in tree:
        for inner in _bodies(op, value):
            yield from _beside(inner)


def _first(tree: Any, flags: int) -> Iterator[str]:
    """Look at each way that a search can begin with a repeat, and still fail."""
    items = list(_flat(tree))
    at_lines = bool(flags & re.MULTILINE)
    for number, (op, value) in enumerate(items):
        if op is _constants.AT and value is _constants.AT_BEGINNING and at_lines:
            continue
        if op is _constants.BRANCH:
            yield from (fault for branch in value[1] for fault in _first(branch, flags))
            return
        if not _wide((op, value)):
            if _needed((op, value)) or op in (_constants.AT, _constants.ASSERT):
                return
            continue
        across = not at_lines or number == 0 or "\n" in _taken(value[2])
        if across and any(map(_needed, items[number + 1 :])):
            yield "a repeat that a search begins with"
        return


def _flat(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the items of a sequence, groups that are not repeated taken apart."""
    for op, value in tree:
        if op is _constants.SUBPATTERN:
            yield from _flat(value[3])
        else:
            yield op, value


def _bodies(op: Any, value: Any) -> list[Any]:
    if op in REPEATS:
        return [value[2]]
    if op is _constants.SUBPATTERN:
        return [value[3]]
    if op is _constants.BRANCH:
        return list(value[1])
    return [value[1]] if op in (_constants.ASSERT, _constants.ASSERT_NOT) else []


def _wide(item: tuple[Any, Any]) -> bool:
    return item[0] in REPEATS and item[1][1] >= MANY


def _needed(item: tuple[Any, Any]) -> bool:
    """Whether an item takes at least one character."""
    tree = _parser.SubPattern(_parser.State(), [item])
    return tree.getwidth()[0] > 0


def _taken(tree: Any) -> set[str]:
    """Return which characters of the alphabet can stand in what a sequence matches, judged by its single characters."""
    taken: set[str] = set()
    for op, value in tree:
        inner = _bodies(op, value)
        if inner:
            taken.update(*map(_taken, inner))
        elif op not in (_constants.AT, _constants.GROUPREF):
            state = _parser.State()
            state.flags = re.DOTALL
            one = _compiler.compile(_parser.SubPattern(state, [(op, value)]))
            taken.update(char for char in ALPHABET if one.fullmatch(char))
    return taken
