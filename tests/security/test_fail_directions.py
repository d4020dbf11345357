"""Threat 13: a check that is not there, taken for one that found nothing. What each absence does is stated.

`DIRECTIONS` is the table of docs/security.md: a test compares them. Deaths of PostgreSQL and Redis are in tests/stores
and tests/control, of upstreams in tests/chaos.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from switchpoint.control.keyring import Keyring
from switchpoint.control.keys import Key, new_secret
from switchpoint.core.errors import ArtifactError, StoreUnavailable, Unauthenticated
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.estimators.bundled import SHIPPED, Bundled
from switchpoint.stores.redis import Redis
from switchpoint.upstreams.cached import Cached
from switchpoint.upstreams.fake import Fake
from tests.fake_openai import Behaviour, answering, failing, sending, silent
from tests.security.conftest import Stand, standing

DIRECTIONS = {
    "keys, never read": "closed",
    "keys, read before": "open to the keys that were known",
    "an artifact": "closed",
    "a rater": "by the models' means",
    "a judge": "to the next model",
    "the cache": "to the upstream",
    "deciding": "to the default model",
    "the record log": "open",
}
ILL: dict[str, Behaviour] = {"fails": failing(500), "talks": answering("I would rather not."), "breaks": sending(b"{")}


def test_the_page_states_every_direction_as_it_is():
    """Threat 13."""
    page = Path("docs/security.md").read_text()

    assert all(f"| {what} | {direction} |" in page for what, direction in DIRECTIONS.items())


async def test_without_ever_having_read_its_keys_a_gateway_lets_nobody_in():
    """Threat 13: closed."""

    def broken() -> Iterable[Key]:
        raise OSError("gone")

    with pytest.raises((Unauthenticated, StoreUnavailable)):
        await Keyring(broken).principal(new_secret())


@pytest.mark.parametrize("name", ["manifest.json", "tensors.safetensors", "vocab.txt"])
def test_without_a_file_of_its_artifact_a_router_does_not_start(tmp_path: Path, name: str):
    """Threat 13: closed."""
    for path in SHIPPED.iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())

    with pytest.raises(ArtifactError):
        Bundled.load(tmp_path)


def rated(tmp_path: Path, behaviour: Behaviour) -> str:
    """Return who answers where a router asks a rater that behaves so."""
    routers = {"asked": {"kind": "rated", "rater": "rater", "willingness_usd": 0.0, "time_box_s": 0.2}}
    with standing(tmp_path, {"rater": behaviour}, routers=routers) as stand:
        record = stand.record(stand.ask("chat", model="asked"))
        return str(record.answered_by)


@pytest.mark.parametrize("ill", [*ILL, "silent"])
def test_without_a_rating_a_query_goes_where_the_models_means_say(tmp_path: Path, ill: str):
    """Threat 13: the same model whatever is wrong with the rater."""
    behaviour = {**ILL, "silent": silent}[ill]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert rated(tmp_path / "a", behaviour) == rated(tmp_path / "b", failing(400))


@pytest.mark.parametrize("ill", ILL)
def test_without_a_verdict_an_answer_is_not_accepted_and_the_next_model_is_called(tmp_path: Path, ill: str):
    """Threat 13: never fails open; the price is that a judge which is away makes every query dearer."""
    cascades = {"checked": {"models": ["echo", "ok"], "verifier": "judging", "threshold": 0.5}}
    verifiers = {"judging": {"kind": "judge", "model": "ill"}}
    with standing(tmp_path, {"ill": ILL[ill]}, cascades=cascades, verifiers=verifiers) as stand:
        record = stand.record(stand.ask("chat", model="checked"))

    assert record.answered_by == "ok" and [each.decision.model for each in record.attempts] == ["echo", "ok"]
    assert math.isnan(record.attempts[0].verdicts[0].score)


async def test_without_its_store_the_cache_asks_the_upstream():
    """Threat 13: a Redis that nobody answers for is as if it were empty."""
    model = Model(id="m", upstream="f", upstream_model="m")
    cached = Cached(Fake({"m": ["hi"]}), Redis("redis://127.0.0.1:1/0"), ttl_s=60.0)

    asked = Query(id="q", messages=({"role": "user", "content": "hi"},), parameters={"temperature": 0})
    for _ in range(2):
        answer = await cached.complete(model, asked)
        assert answer.text == "hi" and not answer.cached


class Undecided:
    """A strategy that breaks."""

    name = "undecided"

    def next(self, *_: object) -> Any:
        raise ZeroDivisionError


def test_without_a_decision_the_default_model_answers_and_the_record_says_so(tmp_path: Path):
    """Threat 13."""
    with standing(tmp_path) as stand:
        stand.switchpoint.routes.routes["auto"] = Undecided()  # type: ignore[index]
        record = stand.record(stand.ask("chat", model="auto"))

    assert record.answered_by == "ok" and record.attempts[0].decision.reason == "router_failed"


def test_without_its_record_log_the_gateway_answers_and_counts_what_it_lost(tmp_path: Path):
    """Threat 13: open. A full disk stops no answer; budgets are kept apart, and are not lost with it."""
    with standing(tmp_path) as stand:
        _break_log(stand)
        assert stand.ask("chat").status_code == 200


def _break_log(stand: Stand) -> None:
    log = stand.switchpoint.log
    assert log is not None
    log.flush(5.0)
    log.close()
