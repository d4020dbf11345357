"""The page of the documentation says what the declaration says, and every promise has its test."""

from __future__ import annotations

import importlib

import pytest

from tests.chaos.page import PAGE, page
from tests.chaos.promises import PROMISES, Promise
from tests.chaos.rows import ROWS

ALL = [promise for promises in PROMISES.values() for promise in promises]


def test_the_page_is_current():
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.chaos --write"


def test_every_row_has_a_name_of_its_own():
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("promise", ALL, ids=lambda promise: promise.test.replace("/", "-"))
def test_every_promise_names_a_test_that_exists(promise: Promise):
    module, function = promise.test.split("::")

    assert callable(getattr(importlib.import_module(f"tests.chaos.{module}"), function))
