"""The paths beside chat completions."""

import openai
import pytest

from tests.gateway.conftest import USER, WEATHER, Gateway

ROUTES = [
    "auto",
    "best",
    "sturdy",
    "doomed",
    "busy",
    "cheap-first",
    "hurried",
    "held",
    "held-whole",
    "unread",
    "slow-first",
    "content",
]


def test_routes_are_listed_first_then_models(client: openai.OpenAI):
    listed = client.models.list().data

    names = [model.id for model in listed]
    assert names[: len(ROUTES) + 3] == [*ROUTES, "priced", "dear", "plain"]
    assert len(set(names)) == len(names)
    assert {model.owned_by for model in listed} == {"switchpoint"}


def test_a_model_shows_its_prices_and_what_it_can(client: openai.OpenAI):
    model = client.models.retrieve("priced")

    assert (model.object, model.kind) == ("model", "model")
    assert (model.input_usd_per_mtok, model.cached_input_usd_per_mtok, model.output_usd_per_mtok) == (0.5, None, 2)
    assert (model.context_tokens, model.capabilities) == (8000, ["tools", "vision"])


@pytest.mark.parametrize(("name", "kind"), [("auto", "route"), ("acme/ok", "model"), ("router-toy-0.3", "route")])
def test_whatever_can_be_called_can_be_looked_up(client: openai.OpenAI, name: str, kind: str):
    model = client.models.retrieve(name)

    assert (model.id, model.kind) == (name, kind)
    assert isinstance(model.created, int)


def test_an_unknown_model_is_not_found(client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError, match="Unknown model 'nobody'"):
        client.models.retrieve("nobody")


@pytest.mark.parametrize(
    "body", [{"text": "What is 2 + 2?"}, {"messages": [USER]}, {"messages": [USER], "stream": True}]
)
def test_a_decision_can_be_had_without_a_call(gateway: Gateway, body: dict):
    answer = gateway.post("/v1/route", **body).json()

    assert answer["decision"]["model"] == "priced"
    assert answer["decision"]["quality"] == {"priced": 0.5, "dear": 0.5}
    assert answer["excluded"] == {}
    assert gateway.records == [] and gateway.upstream.requests == []


def test_a_decision_says_why_models_are_excluded(gateway: Gateway):
    answer = gateway.post("/v1/route", messages=[USER], tools=[WEATHER], switchpoint={"max_cost_usd": 0.001}).json()

    assert answer["excluded"]["plain"] == "cannot do tools"
    assert answer["excluded"]["dear"].startswith("expected to cost")
    assert answer["decision"]["model"] == "priced"


def test_a_decision_on_a_request_that_no_model_takes_is_an_error(gateway: Gateway):
    response = gateway.post("/v1/route", model="plain", messages=[USER], tools=[WEATHER])

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "no_eligible_model"


@pytest.mark.parametrize("field", ["score", "value"])
def test_feedback_on_an_answer_is_remembered(gateway: Gateway, field: str):
    record_id = gateway.post(messages=[USER]).headers["x-switchpoint-record"]

    response = gateway.post("/v1/feedback", record_id=record_id, **{field: 0.25})

    assert response.status_code == 202
    (feedback,) = gateway.feedback
    assert (feedback.record_id, feedback.value, feedback.metric, feedback.source) == (
        record_id,
        0.25,
        "quality",
        "user",
    )
    assert feedback.at.tzinfo is not None


def test_feedback_names_its_metric_and_source(gateway: Gateway):
    record_id = gateway.post(messages=[USER]).headers["x-switchpoint-record"]

    answer = gateway.post("/v1/feedback", record_id=record_id, value=1, metric="solved", source="unit-tests").json()

    assert answer == {
        "object": "switchpoint.feedback",
        "record_id": record_id,
        "metric": "solved",
        "value": 1.0,
        "source": "unit-tests",
    }


def test_feedback_on_an_unknown_record_is_not_found(gateway: Gateway):
    response = gateway.post("/v1/feedback", record_id="nobody", score=1)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "record_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"score": 1}, "feedback"),
        ({"record_id": "", "score": 1}, "feedback.record_id"),
        ({"record_id": "a"}, "score"),
        ({"record_id": "a", "score": 1, "value": 1}, "score"),
        ({"record_id": "a", "score": 1.5}, "feedback.score"),
        ({"record_id": "a", "score": "good"}, "feedback.score"),
        ({"record_id": "a", "score": 1, "coment": "x"}, "feedback.coment"),
    ],
)
def test_feedback_that_says_nothing_clear_is_refused(gateway: Gateway, body: dict, param: str):
    response = gateway.post("/v1/feedback", **body)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert gateway.feedback == []


def test_health_is_served_and_numbers_are_not(gateway: Gateway):
    assert gateway.http.get("/health").json() == {"status": "ok"}
    assert gateway.http.get("/metrics").status_code == 404
