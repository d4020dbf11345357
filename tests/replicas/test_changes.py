"""Replicas are restarted one after the other, and read their configuration again, and no request fails."""

from __future__ import annotations

import signal
import urllib.error

from tests.replicas.conftest import KEYS
from tests.replicas.processes import Replica, Reply, Start, load, wait_for_more, wait_until

ACME = KEYS["acme"]


class Balancer:
    """Sends requests to the replicas that say they are ready, as a load balancer in front of them would."""

    def __init__(self, *replicas: Replica) -> None:
        self.replicas = list(replicas)

    def ask(self, number: int) -> Reply:
        replica = self.replicas[number % len(self.replicas)]
        return replica.ask(f"question {number}", key=ACME, model="slow")

    def look(self) -> None:
        """Take those out that are not ready."""
        self.replicas = [each for each in self.replicas if _ready(each)]


def _ready(replica: Replica) -> bool:
    try:
        return replica.get("/health/ready").status == 200
    except urllib.error.URLError:
        return False


def test_a_rolling_restart_fails_no_request(start: Start):
    one, two = start(), start()
    balancer = Balancer(one, two)
    with load(balancer.ask, clients=6) as replies:
        wait_for_more(replies, 12)
        one.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not _ready(one))
        balancer.look()
        one.process.wait()
        balancer.replicas.append(start())
        wait_for_more(replies, 12)

    assert len(balancer.replicas) == 2
    assert one.process.returncode == 0


def test_both_replicas_serve_a_new_configuration_after_the_signal_and_no_request_fails(start: Start):
    one, two = start(), start()
    with load(lambda n: (one, two)[n % 2].ask(f"question {n}", key=ACME, model="mini")) as replies:
        wait_for_more(replies)
        for each in (one, two):
            each.config.write_text(each.config.read_text() + "\n[routers.added]\nkind = 'random'\nmodels = ['mini']\n")
            each.process.send_signal(signal.SIGHUP)
        for each in (one, two):
            wait_until(lambda each=each: each.ask("hello", key=ACME, model="added").status == 200)
        wait_for_more(replies)


def test_budgets_limits_and_conversations_go_on_across_a_reload(start: Start):
    replica = start()
    spending = [replica.ask("hello", key=KEYS["hasty"], model="mini") for _ in range(20)]
    first = replica.ask("question", key=ACME, session="mine").model
    assert replica.manage("/admin/config/reload", "POST").status == 200

    assert {reply.status for reply in spending} == {200}
    assert replica.ask("hello", key=KEYS["hasty"], model="mini").status == 429
    assert {replica.ask(f"question {n}", key=ACME, session="mine").model for n in range(8)} == {first}


def test_a_replica_whose_new_configuration_is_wrong_serves_the_old_one(start: Start):
    replica = start()
    replica.config.write_text(replica.config.read_text() + "\n[routers.wrong]\nkind = 'no such kind'\n")

    assert replica.manage("/admin/config/reload", "POST").code == "config_error"
    assert replica.ask("hello", key=ACME).status == 200
