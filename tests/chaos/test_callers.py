"""A caller who goes away, at every stage: the call ends, the record says so, and no money stays set aside."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.chaos import behaviours as does
from tests.chaos.callers import asking, connected, read_until, wait_for
from tests.chaos.cells import STRONG, Form
from tests.chaos.gateway import Gateway, running
from tests.fake_openai import BEHAVIOURS, answering

BUDGET_USD = 1.0
ACCOUNT = "tenant:default:month"


BEHAVES = {
    "silent": does.silent,
    "pausing": does.stall_in_body,
    "dripping": BEHAVIOURS["drips"],
    "ending": does.stall_before_done,
    "well": answering(),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("callers")
    access = {
        "open": True,
        "path": str(folder / "control.sqlite"),
        "budgets": [{"tenant": "default", "usd": BUDGET_USD}],
    }
    rated = {"kind": "rated", "rater": "silent", "models": ["well", STRONG], "time_box_s": 30, "threshold": 0.5}
    with running(folder, BEHAVES, access=access, routers={"rated": rated}) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared: Gateway) -> Gateway:
    shared.upstream.requests.clear()
    shared.upstream.disconnected.clear()
    return shared


def left_usd(gateway: Gateway) -> float:
    return gateway.switchpoint.access.left_usd()[ACCOUNT]


def outcome(gateway: Gateway, request_id: str) -> str | None:
    record = gateway.records().get(request_id)
    return None if record is None else record.outcome


def reserved_usd(gateway: Gateway) -> float:
    """What is set aside in the ledger at the moment."""
    local = gateway.switchpoint.access._local
    assert local is not None
    return sum(page.reserved_usd for page in local._current.values())


def test_a_caller_who_goes_before_the_end_of_his_body_costs_nothing(gateway: Gateway):
    before_usd = left_usd(gateway)

    with connected(gateway) as connection:
        connection.sendall(asking("well", Form.WHOLE, "body")[:-5])

    assert httpx2.get(f"{gateway.url}/health").status_code == 200
    assert gateway.upstream.requests == []
    assert left_usd(gateway) == before_usd


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("route", ["silent", "cascade-of-silent", "rated"])
def test_a_caller_who_goes_while_the_first_byte_is_awaited_ends_the_call(gateway: Gateway, route: str, form: Form):
    id = f"waiting-{route}-{form}"
    with connected(gateway) as connection:
        connection.sendall(asking(route, form, id))
        assert gateway.upstream.wait_for_requests(1)

    assert gateway.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: outcome(gateway, id)) and outcome(gateway, id) == "cancelled"
    assert wait_for(lambda: reserved_usd(gateway) == pytest.approx(0.0))
    assert gateway.strong.requests == []


@pytest.mark.parametrize("model", ["pausing", "dripping"])
def test_a_caller_who_goes_in_the_middle_of_a_stream_ends_the_call(gateway: Gateway, model: str):
    id = f"middle-{model}"
    with connected(gateway) as connection:
        connection.sendall(asking(model, Form.STREAMED, id))
        read_until(connection, b'"content"')

    assert gateway.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: outcome(gateway, id)) and outcome(gateway, id) == "cancelled"
    assert gateway.records()[id].attempts[0].committed
    assert wait_for(lambda: reserved_usd(gateway) == pytest.approx(0.0))


def test_a_caller_who_goes_in_the_middle_of_a_whole_answer_ends_the_call(gateway: Gateway):
    with connected(gateway) as connection:
        connection.sendall(asking("pausing", Form.WHOLE, "middle-whole"))
        assert gateway.upstream.wait_for_requests(1)

    assert gateway.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: outcome(gateway, "middle-whole")) and outcome(gateway, "middle-whole") == "cancelled"


@pytest.mark.parametrize("form", list(Form))
def test_a_caller_who_goes_while_an_answer_is_held_ends_the_call_and_no_other_is_made(gateway: Gateway, form: Form):
    id = f"held-{form}"
    with connected(gateway) as connection:
        connection.sendall(asking("cascade-of-pausing", form, id))
        assert gateway.upstream.wait_for_requests(1)

    assert gateway.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: outcome(gateway, id)) and outcome(gateway, id) == "cancelled"
    assert gateway.strong.requests == []


def test_a_caller_who_goes_after_the_finish_reason_ends_what_is_left_of_the_stream(gateway: Gateway):
    with connected(gateway) as connection:
        connection.sendall(asking("ending", Form.STREAMED, "ending"))
        read_until(connection, b'"finish_reason": "stop"')

    assert gateway.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: outcome(gateway, "ending")) and outcome(gateway, "ending") == "cancelled"


@pytest.mark.parametrize("form", list(Form))
def test_a_caller_who_goes_with_the_last_byte_was_answered(gateway: Gateway, form: Form):
    id, end = f"last-{form}", b"[DONE]" if form is Form.STREAMED else b'"usage"'
    with connected(gateway) as connection:
        connection.sendall(asking("well", form, id))
        read_until(connection, end)

    assert wait_for(lambda: outcome(gateway, id)) and outcome(gateway, id) == "answered"
    assert gateway.records()[id].cost_usd is not None


def test_what_a_cancelled_call_may_have_cost_is_booked_and_no_more(gateway: Gateway):
    before_usd = left_usd(gateway)
    with connected(gateway) as connection:
        connection.sendall(asking("silent", Form.WHOLE, "booked"))
        assert gateway.upstream.wait_for_requests(1)

    assert wait_for(lambda: outcome(gateway, "booked"))
    assert wait_for(lambda: reserved_usd(gateway) == pytest.approx(0.0))
    assert 0 < before_usd - left_usd(gateway) < 0.01  # a call of 300 tokens at a dollar a million
