"""The gateway of `tests/gateway`, and one that is less patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from switchpoint.gateway.app import create_app
from switchpoint.gateway.arriving import ArrivalLimits
from switchpoint.gateway.limits import InputLimits
from switchpoint.gateway.serve import serving
from switchpoint.gateway.service import OpenGate
from tests.gateway.conftest import Gateway, running
from tests.gateway.test_management import service_of

PATIENCE_S = 0.6
HEAD = ArrivalLimits(max_headers=20, max_head_bytes=4096, within_s=PATIENCE_S)
SMALL = InputLimits(max_depth=10, max_messages=5, max_tools=3, max_parts=4, max_answers=2, max_name_chars=20)


@pytest.fixture(scope="session")
def shared() -> Iterator[Gateway]:
    with running() as gateway:
        yield gateway


@pytest.fixture
def gateway(shared: Gateway) -> Gateway:
    """A gateway with the limits of a fresh configuration, with nothing remembered of other tests."""
    return shared.forget()


@pytest.fixture(scope="session")
def strict() -> Iterator[str]:
    """The address of a gateway with small limits, whose one model says "hi"."""
    service = replace(service_of(OpenGate()), limits=SMALL, max_body_bytes=200_000)
    with serving(create_app(lambda: service), limits=HEAD) as url:
        yield url
