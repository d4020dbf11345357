"""The circuit: one failure spares everybody else the wait."""

from __future__ import annotations

import logging

import pytest

from switchpoint.core.errors import StoreUnavailable
from switchpoint.stores.circuit import Circuit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit("Store", rest_s=1.0, clock=clock)


def refused(circuit: Circuit) -> bool:
    try:
        circuit.check()
    except StoreUnavailable:
        return True
    return False


def test_a_store_that_works_is_always_tried(circuit: Circuit):
    assert [refused(circuit) for _ in range(3)] == [False] * 3


def test_after_a_failure_nobody_tries_for_a_while_and_then_one_does_for_all(circuit: Circuit, clock: Clock):
    circuit.failed(OSError())
    assert refused(circuit)

    clock.now = 1.0
    assert [refused(circuit) for _ in range(3)] == [False, True, True]


def test_a_success_lets_everybody_in_again(circuit: Circuit, clock: Clock):
    circuit.failed(OSError())
    circuit.worked()

    assert [refused(circuit) for _ in range(3)] == [False] * 3


def test_trouble_and_its_end_are_logged_once_by_the_class_of_the_error(
    circuit: Circuit, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            circuit.failed(OSError("PLANTED"))
        circuit.worked()
        circuit.worked()

    assert [record.getMessage() for record in caplog.records] == [
        "Store does not answer (OSError).",
        "Store answers again.",
    ]
