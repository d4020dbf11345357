"""Two replicas over the same stores are one gateway: what one of them knows, the other acts on."""

from __future__ import annotations

import json

import openai
import psycopg
import pytest

from switchpoint.records.reader import RecordReader
from tests.fake_openai import FakeOpenAI
from tests.replicas.conftest import KEYS
from tests.replicas.processes import Replica, Reply, at_once, wait_until
from tests.stores.servers import PostgresServer

Pair = tuple[Replica, Replica]

BUDGET_USD = 0.02
REQUEST_USD = (12 * 1 + 4 * 10) / 1e6
"""What the upstream bills for each answer of mini."""


def spent_usd(server: PostgresServer, account: str) -> float:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT sum(spent_usd) FROM spending WHERE account = %s", (account,)).fetchone()
    return 0.0 if row is None or row[0] is None else float(row[0])


def test_a_thousand_calls_of_one_key_at_both_replicas_overspend_its_budget_by_one_request_at_most(
    pair: Pair, running_postgres: PostgresServer
):
    def ask(number: int) -> Reply:
        return pair[number % 2].ask(f"question {number}", key=KEYS["spender"], model="mini", max_tokens=4)

    replies = at_once(ask, 1000)

    served = [reply for reply in replies if reply.status == 200]
    assert {(reply.status, reply.code) for reply in replies if reply.status != 200} == {(429, "insufficient_quota")}
    assert BUDGET_USD - 2 * REQUEST_USD <= len(served) * REQUEST_USD <= BUDGET_USD + REQUEST_USD
    wait_until(lambda: spent_usd(running_postgres, "key:spender:total") == pytest.approx(len(served) * REQUEST_USD))


def test_a_rate_limit_is_one_for_both_replicas(pair: Pair):
    replies = [pair[number % 2].ask("hello", key=KEYS["hasty"], model="mini") for number in range(40)]

    assert [reply.status for reply in replies[:20]] == [200] * 20
    refused = [reply for reply in replies if reply.status == 429]
    assert {reply.code for reply in refused} == {"rate_limit_exceeded"}
    assert len(refused) >= 10  # a bucket for each would have held all 40; the shared one fills by one in 3 s


def test_a_conversation_keeps_its_model_when_it_moves_to_the_other_replica(pair: Pair):
    one, two = pair
    key = KEYS["acme"]

    first = one.ask("question", key=key, session="mine").model

    assert {two.ask(f"question {n}", key=key, session="mine").model for n in range(12)} == {first}
    assert len({two.ask(f"question {n}", key=key).model for n in range(20)}) == 2


def test_the_conversation_of_one_tenant_is_not_known_to_another(pair: Pair):
    one, two = pair
    named = {"session": "the same name"}

    assert one.ask("question", key=KEYS["acme"], **named).headers["x-switchpoint-session-phase"] == "new"
    assert two.ask("question", key=KEYS["globex"], **named).headers["x-switchpoint-session-phase"] == "new"
    assert two.ask("question", key=KEYS["acme"], **named).headers["x-switchpoint-session-phase"] != "new"


def test_an_answer_that_one_replica_gave_is_cached_for_the_same_tenant_at_the_other(pair: Pair):
    one, two = pair
    asked = {"model": "mini", "temperature": 0}

    one.ask("what is 2 + 2?", key=KEYS["acme"], **asked)
    same, other = (two.ask("what is 2 + 2?", key=KEYS[tenant], **asked) for tenant in ("acme", "globex"))

    assert (same.headers["x-switchpoint-cache"], same.headers["x-switchpoint-cost-usd"]) == ("hit", "0")
    assert "x-switchpoint-cache" not in other.headers
    assert same.body["choices"] == other.body["choices"]


def test_a_key_that_is_made_at_one_replica_is_known_to_the_other_and_refused_there_once_it_is_revoked(pair: Pair):
    one, two = pair
    made = one.manage("/admin/keys", "POST", {"name": "new"}).body
    wait_until(lambda: two.ask("hello", key=made["key"]).status == 200)

    one.manage(f"/admin/keys/{made['id']}", "DELETE")

    wait_until(lambda: two.ask("hello", key=made["key"]).status == 401)


def test_a_budget_that_is_set_at_one_replica_is_kept_by_the_other(pair: Pair):
    one, two = pair
    made = one.manage("/admin/keys", "POST", {"name": "poor"}).body
    wait_until(lambda: two.ask("hello", key=made["key"]).status == 200)

    budget = {"scope": "key", "name": made["id"], "per": "month", "usd": 0}
    assert one.manage("/admin/budgets", "PUT", budget).status == 200

    wait_until(lambda: two.ask("hello", key=made["key"]).status == 429)


def test_what_one_replica_has_shut_the_other_does_not_call(pair: Pair, upstream: FakeOpenAI):
    one, two = pair
    wait_until(lambda: one.ask("hello", key=KEYS["acme"], model="broken").status == 503)
    wait_until(lambda: "broken" in two.manage("/admin/health").body["models"])
    called = sum(received.model == "broken" for received in upstream.requests)

    refused = two.ask("hello", key=KEYS["acme"], model="broken")

    assert (refused.status, refused.code) == (503, "overloaded")
    assert sum(received.model == "broken" for received in upstream.requests) == called


def test_records_of_both_replicas_are_together_and_each_takes_feedback_for_the_other(pair: Pair, reader: RecordReader):
    one, two = pair
    first, second = (each.ask("hello", key=KEYS["acme"]) for each in pair)
    wait_until(lambda: two.praise(first.record_id, KEYS["acme"]).status == 202)

    wait_until(lambda: first.record_id in reader.feedback())
    assert {reader.get(reply.record_id).tags["key"] for reply in (first, second)} == {"acme"}
    assert one.praise(second.record_id, KEYS["globex"]).status == 404


def test_the_pages_and_the_command_line_show_the_records_of_both(pair: Pair, running_postgres: PostgresServer):
    one, two = pair
    ids = [each.ask("hello", key=KEYS["acme"]).record_id for each in pair]
    wait_until(lambda: all(two.page(f"/records/{id}") for id in ids))

    shown = one.command("records", "--db", "env:DATABASE_URL", "--json", "--limit", "1000")
    assert set(ids) <= {line["id"] for line in json.loads(shown)}
    assert "acme" in one.command("explain", ids[1], "--db", "env:DATABASE_URL", "--json")


def test_the_official_client_streams_from_either_replica_with_the_same_key(pair: Pair):
    said = []
    for replica in pair:
        with openai.OpenAI(base_url=f"{replica.url}/v1", api_key=KEYS["acme"], max_retries=0) as client:
            question = [{"role": "user", "content": "hello"}]
            with client.chat.completions.create(model="mini", messages=question, stream=True) as stream:
                said.append("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))

    assert said == ["From mini.", "From mini."]
