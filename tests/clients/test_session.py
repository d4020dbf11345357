"""The printed session holds what it promises."""

from tests.clients.conftest import ROUTES, World
from tests.clients.session import session


def test_both_clients_are_answered_on_every_route(world: World):
    lines = list(session(world))

    assert {(client, route) for client, route, _ in lines} == {(c, r) for c in ("openai", "anthropic") for r in ROUTES}
    assert all("None" not in line for *_, line in lines)
    assert "was ended at the vendor, the record says 'cancelled'" in lines[-1][-1]
