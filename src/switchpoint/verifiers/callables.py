"""Verifiers of one's own: any Python function that takes a query and an answer."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from numbers import Real
from typing import Any, cast

import numpy as np

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from switchpoint.verifiers.asking import TIME_BOX_S, unread

Function = Callable[[Query, Answer], Any]
"""From a query and an answer to a score in [0, 1] or a `Verdict`; plain or async."""

AT_ONCE = 8


class Called:
    """Makes a verifier of a function, whatever it does.

    A plain function runs in a thread of its own, `at_once` at a time, so that it holds up nobody; an async one runs on
    the event loop and must not block it. Either has `time_box_s`, the wait for its turn included.

    A number is a score that cost nothing, a `Verdict` is taken as it is. What raises, comes too late, is of another
    type, NaN or outside [0, 1] is unknown: NaN, with the reason; a message is never quoted, since it may hold the
    prompt. What raised or came too late may have paid somebody, so its cost is unknown.

    A thread cannot be stopped: a plain function that never ends keeps its turn, and so many of them leave no turn for
    later ones. It does not keep the program from ending.

    Raises ConfigError for what cannot be called with two arguments, or limits that are not positive.
    """

    def __init__(self, function: Function, *, time_box_s: float = TIME_BOX_S, at_once: int = AT_ONCE) -> None:
        _check(function)
        if not time_box_s > 0 or at_once < 1:
            raise ConfigError(f"time_box_s and at_once must be above 0. Got {time_box_s!r} and {at_once!r}.")
        self._function = function
        self._time_box_s = time_box_s
        self._at_once = at_once
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, query: Query, answer: Answer) -> Verdict:
        """Return what the function says; never raises."""
        try:
            async with asyncio.timeout(self._time_box_s):
                return verdict_of(await self._said(query, answer))
        except TimeoutError:
            return unread("timed out", None)
        except Exception as error:
            return unread(f"raised {type(error).__name__}", None)

    async def _said(self, query: Query, answer: Answer) -> object:
        if _is_async(self._function):
            return await cast(Awaitable[object], self._function(query, answer))
        gate = self._turns()
        await gate.acquire()
        said = await _in_thread(lambda: self._function(query, answer), gate.release)
        # A plain function may hand on the work of an async one.
        return await said if inspect.isawaitable(said) else said

    def _turns(self) -> asyncio.Semaphore:
        """Return the turns of the running event loop: what waits in one loop cannot be woken from another."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._gate = loop, asyncio.Semaphore(self._at_once)
        return self._gate


def load_function(name: str) -> Function:
    """Return the function that `package.module:name` names.

    Raises ConfigError for a name of another form, a module that cannot be imported, or one without such a function.
    """
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise ConfigError(f"function: must be written package.module:name. Got {name!r}.")
    try:
        found = getattr(import_module(module), attribute, None)
    except Exception as error:  # what a module of somebody else's raises at its import can be anything
        raise ConfigError(f"function: {module!r} cannot be imported ({type(error).__name__}: {error}).") from error
    if found is None:
        raise ConfigError(f"function: {module!r} has no {attribute!r}.")
    return cast(Function, found)


def verdict_of(said: object) -> Verdict:
    """Return the verdict that a function's result stands for."""
    if isinstance(said, Verdict):
        return said if 0.0 <= said.score <= 1.0 else replace(said, score=math.nan, detail=said.detail or "no score")
    if not isinstance(said, Real | np.bool_):
        return unread(f"returned {type(said).__name__}, not a score")
    score = float(said)
    return Verdict(score=score) if 0.0 <= score <= 1.0 else unread("the score is not within 0 and 1")


def _check(function: object) -> None:
    try:
        inspect.signature(cast(Function, function)).bind(None, None)
    except (TypeError, ValueError):
        raise ConfigError(f"function: must be callable with a query and an answer. Got {function!r}.") from None


def _is_async(function: Function) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def _in_thread(work: Callable[[], object], done: Callable[[], None]) -> object:
    """Run the work in a daemon thread; `done` is called on the event loop when it has really ended.

    Not `asyncio.to_thread`: its pool is shared with everybody, and the program waits for it at its end.
    """
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[object] = loop.create_future()

    def finish(result: object, error: BaseException | None) -> None:
        done()
        if waiting.done():  # given up on
            return
        if error is None:
            waiting.set_result(result)
        else:
            waiting.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # an exit of the function is not one of the program
            error = raised if isinstance(raised, Exception) else RuntimeError(type(raised).__name__)
        with suppress(RuntimeError):  # the loop was closed in the meantime: nobody waits
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=run, daemon=True, name="verifier").start()
    return await waiting
