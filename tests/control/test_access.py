"""Keys, budgets and limits over HTTP and from the command line, as an operator and a caller meet them."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from switchpoint.assembly.access import check_exposed
from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.cli.app import run
from switchpoint.config.access import AccessSection
from switchpoint.config.read import load
from switchpoint.control.keys import digest, new_secret
from switchpoint.control.spending.budgets import Scope
from switchpoint.core.errors import BudgetSpent, ConfigError
from switchpoint.core.principal import ANONYMOUS
from switchpoint.core.query import Query
from switchpoint.gateway.serve import serving

CHAT = {"model": "mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}
ADMIN = "0123456789abcdef0123456789abcdef"
TOML = """
[upstreams.local]
kind = "fake"
script = { mini = ["hello"], big = ["HELLO"] }
[models.mini]
upstream = "local"
input_usd_per_mtok = 1
output_usd_per_mtok = 1
retires = 2030-01-31
[models.big]
upstream = "local"
input_usd_per_mtok = 1000
output_usd_per_mtok = 1000
[access]
required = true
refresh_s = 0.01
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, which commands and gateways find."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SWITCHPOINT_ADMIN_KEY", ADMIN)
    (tmp_path / "switchpoint.toml").write_text(TOML)
    return tmp_path


@contextmanager
def gateway(more: str = "") -> Iterator[httpx2.Client]:
    Path("switchpoint.toml").write_text(TOML + more)
    switchpoint = Switchpoint.load("switchpoint.toml")
    try:
        with serving(switchpoint.app()) as address, httpx2.Client(base_url=address) as client:
            yield client
    finally:
        switchpoint.close()


def made(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    """A key that the command line has made, with its id."""
    assert run(["keys", "create", "test", *options, "--json"]) == 0
    answer: dict[str, str] = json.loads(capsys.readouterr().out)
    return answer


def bearer(key: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {key['key']}"}


def code(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_without_a_key_nothing_is_answered(here: Path) -> None:
    with gateway() as client:
        assert code(client.post("/v1/chat/completions", json=CHAT)) == (401, "invalid_api_key")


def test_a_new_key_is_shown_once_works_and_is_nowhere_in_the_files(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = made(capsys)

    with gateway() as client:
        assert client.post("/v1/chat/completions", json=CHAT, headers=bearer(key)).status_code == 200

    assert run(["keys", "list", "--json"]) == 0
    assert key["key"] not in capsys.readouterr().out
    assert all(key["key"].encode() not in path.read_bytes() for path in here.rglob("*") if path.is_file())


@pytest.mark.parametrize("header", ["x-api-key", "api-key"])
def test_clients_of_other_vendors_may_use_their_own_header(
    here: Path, capsys: pytest.CaptureFixture[str], header: str
) -> None:
    key = made(capsys)

    with gateway() as client:
        assert client.post("/v1/chat/completions", json=CHAT, headers={header: key["key"]}).status_code == 200


def test_a_revoked_key_stops_working_while_the_gateway_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys)
    with gateway() as client:
        assert client.get("/v1/models", headers=bearer(key)).status_code == 200

        assert run(["keys", "revoke", key["id"]]) == 0
        time.sleep(0.05)

        assert client.get("/v1/models", headers=bearer(key)).status_code == 401


def test_the_key_of_the_environment_cannot_ask_for_answers(here: Path) -> None:
    admin = {"authorization": f"Bearer {ADMIN}"}

    with gateway() as client:
        assert code(client.post("/v1/chat/completions", json=CHAT, headers=admin)) == (403, "permission_denied")
        assert client.get("/metrics", headers=admin).status_code != 401


def test_a_key_lists_and_calls_what_it_may_use_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys, "--route", "mini", "--model", "mini")

    with gateway() as client:
        listed = client.get("/v1/models", headers=bearer(key)).json()["data"]
        other = client.post("/v1/chat/completions", json=CHAT | {"model": "big"}, headers=bearer(key))
        shown = client.get("/v1/models/big", headers=bearer(key))

    assert [(entry["id"], entry["shutdown_date"]) for entry in listed] == [("mini", "2030-01-31")]
    assert code(other) == code(shown) == (403, "permission_denied")


def test_asking_for_a_decision_alone_keeps_to_the_same_scope(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys, "--route", "mini")

    with gateway() as client:
        assert client.post("/v1/route", json=CHAT, headers=bearer(key)).status_code == 200
        assert code(client.post("/v1/route", json=CHAT | {"model": "big"}, headers=bearer(key)))[0] == 403


@pytest.mark.parametrize("stream", [False, True])
def test_a_spent_budget_refuses_whole_and_streamed_requests(
    here: Path, capsys: pytest.CaptureFixture[str], stream: bool
) -> None:
    key = made(capsys, "--team", "search")
    assert run(["budget", "set", "team:search", "0.000001", "--per", "day"]) == 0

    with gateway() as client:
        refused = client.post("/v1/chat/completions", json=CHAT | {"stream": stream}, headers=bearer(key))

    assert code(refused) == (429, "insufficient_quota")


def test_what_was_spent_is_shown_with_what_is_left(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys)
    assert run(["budget", "set", "key:*", "5"]) == 0
    with gateway() as client:
        assert client.post("/v1/chat/completions", json=CHAT, headers=bearer(key)).status_code == 200
    capsys.readouterr()

    assert run(["budget", "show", "--json"]) == 0

    shown: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [(line["name"], line["USD"]) for line in shown] == [("*", 5.0), (key["id"], 5.0)]
    assert 0 < shown[1]["spent"] == pytest.approx(5 - shown[1]["left"])


def test_a_rate_limit_answers_429_and_says_when_to_come_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys)

    with gateway('[[access.limits]]\nkey = "*"\nrequests_per_min = 1\n') as client:
        first = client.post("/v1/chat/completions", json=CHAT | {"stream": True}, headers=bearer(key))
        refused = client.post("/v1/chat/completions", json=CHAT, headers=bearer(key))

    assert (first.status_code, first.headers["x-ratelimit-remaining-requests"]) == (200, "0")
    assert code(refused) == (429, "rate_limit_exceeded")
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_feedback_is_taken_on_records_of_ones_own_tenant_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, other = made(capsys, "--tenant", "one"), made(capsys, "--tenant", "two")

    with gateway() as client:
        record = client.post("/v1/chat/completions", json=CHAT, headers=bearer(own)).headers["x-switchpoint-record"]
        said = {"record_id": record, "score": 1}
        assert code(client.post("/v1/feedback", json=said, headers=bearer(other))) == (404, "record_not_found")
        assert client.post("/v1/feedback", json=said, headers=bearer(own)).status_code == 202


async def test_a_new_configuration_goes_on_with_what_was_spent_and_keeps_its_own_budgets(here: Path) -> None:
    text = '[[access.budgets]]\ntenant = "default"\nusd = {}\n'
    (here / "switchpoint.toml").write_text(TOML.replace("required = true", "") + text.format(0.000_301))
    old = Switchpoint.load("switchpoint.toml")
    admitted = await old.service().gate.admit(ANONYMOUS, "mini", Query.of("hi"))

    (here / "switchpoint.toml").write_text(TOML.replace("required = true", "") + text.format(1))
    new = Switchpoint(load(here / "switchpoint.toml"), after=old)
    with pytest.raises(BudgetSpent):
        await old.service().gate.admit(ANONYMOUS, "mini", Query.of("hi"))
    again = await new.service().gate.admit(ANONYMOUS, "mini", Query.of("hi"))

    assert admitted.query.max_cost_usd == pytest.approx(0.000_301)
    assert again.query.max_cost_usd == pytest.approx(2 * 0.000_301)
    old.close()


def test_a_key_of_the_configuration_is_known_by_its_hash(here: Path) -> None:
    secret = new_secret()

    with gateway(f'[access.keys.ci]\nsha256 = "{digest(secret)}"\n') as client:
        assert client.get("/v1/models", headers=bearer({"key": secret})).status_code == 200


def test_a_short_admin_key_is_a_fault(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHPOINT_ADMIN_KEY", "hunter2")

    with pytest.raises(ConfigError, match="SWITCHPOINT_ADMIN_KEY holds 7 characters"), gateway():
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_others_are_not_served_without_keys_by_oversight(host: str) -> None:
    with pytest.raises(ConfigError, match=r"access\.required = true"):
        check_exposed(AccessSection(), host)

    check_exposed(AccessSection(required=True), host)
    check_exposed(AccessSection(open=True), host)


def test_serving_others_without_keys_is_refused_before_anything_is_opened(here: Path) -> None:
    (here / "switchpoint.toml").write_text(TOML.partition("[access]")[0])

    assert run(["serve", "--host", "0.0.0.0", "--port", "0"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "create", "x", "--permission", "admi"],
        ["keys", "revoke", "key-of-nobody"],
        ["budget", "set", "team", "5"],
        ["budget", "set", "persons:x", "5"],
        ["budget", "set", "team:x", "5", "--per", "week"],
    ],
)
def test_wrong_usage_is_told_in_one_line(here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("entry", ["usd = 5", 'key = "a"\nteam = "b"\nusd = 5'])
def test_a_budget_is_of_one_scope(here: Path, entry: str) -> None:
    with pytest.raises(ConfigError, match="must name one of"), gateway(f"[[access.budgets]]\n{entry}\n"):
        pass


def test_every_scope_of_a_budget_can_be_configured() -> None:
    for scope in Scope:
        section = AccessSection.model_validate({"budgets": [{scope: "x", "usd": 1}]})
        assert section.budgets[0].whose() == (scope, "x")
