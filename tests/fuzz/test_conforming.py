"""Every endpoint of both listeners, by our own OpenAPI document: no error nobody foresaw, no hang, no leak."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("schemathesis")

from tests.fuzz.conforming import Target, fuzzing, targets
from tests.fuzz.listeners import Listeners, listening

EXAMPLES = 12
TARGETS = list(targets())


@pytest.fixture(scope="module")
def listeners() -> Iterator[Listeners]:
    with listening() as listeners:
        yield listeners


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_every_response_is_one_that_the_document_describes(listeners: Listeners, target: Target):
    fuzzing(target, EXAMPLES, fixed=True)(listeners)


def test_nothing_is_left_of_what_was_asked(listeners: Listeners):
    chat = next(target for target in TARGETS if target.operation.path == "/v1/chat/completions")
    fuzzing(chat, 5, fixed=True)(listeners)
    before = listeners.held()

    fuzzing(chat, 50, fixed=True)(listeners)

    after = listeners.held()
    assert after.tasks <= before.tasks
    assert after.fds <= before.fds + 3  # connections to upstreams that are kept for later
