"""Errors, as the official client and as bare HTTP see them."""

import json
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core import errors as core_errors
from switchpoint.core.attempt import Attempt, Failure
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.errors import SURFACE, NoAnswer, RateLimited, RequestError, SwitchpointError, UpstreamTimeout
from switchpoint.gateway.errors import INTERNAL, error_object, shown
from switchpoint.gateway.telling import header_value
from tests.gateway.conftest import MAX_BODY_BYTES, USER, Gateway

EXAMPLES: dict[type[SwitchpointError], tuple[Any, ...]] = {
    core_errors.UnknownModel: ("mnii", ["mini"]),
    core_errors.NoEligibleModel: ({"mini": "cannot do tools"},),
    core_errors.NotFittedError: (object(),),
}


def no_answer(*failures: Failure) -> NoAnswer:
    decision = Decision(model="mini", router="r", reason=Reason.FIXED)
    return NoAnswer("no model is left", [Attempt(decision=decision, failure=f, latency_s=1) for f in failures])


def failure(kind: type[Exception], **fields: Any) -> Failure:
    return Failure(kind=kind.__name__, message="no", **fields)


@pytest.mark.parametrize("kind", SURFACE)
def test_every_error_of_ours_has_its_status_and_openais_shape(kind: type[SwitchpointError]):
    error = kind(*EXAMPLES.get(kind, ("what, got, allowed, do",)))

    response = shown(error)

    told = json.loads(response.body)["error"]
    assert (response.status, told["type"]) == SURFACE[kind][:2]
    assert set(told) == {"message", "type", "param", "code"}
    assert told["message"] == str(error)


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        ({"model": "nobody"}, openai.NotFoundError),
        ({"model": "router-toy-7"}, openai.BadRequestError),
        ({"model": "plain", "logprobs": True}, openai.BadRequestError),
        ({"model": "busy"}, openai.RateLimitError),
        ({"model": "doomed"}, openai.InternalServerError),
        ({"model": "acme/refuses"}, openai.BadRequestError),
        ({"model": "router-buggy-0.5"}, openai.InternalServerError),
    ],
)
def test_the_client_raises_the_class_that_fits(
    client: openai.OpenAI, status: dict, raised: type[openai.APIStatusError]
):
    with pytest.raises(raised) as caught:
        client.chat.completions.create(messages=[USER], **status)

    assert set(caught.value.body) == {"message", "type", "param", "code"}


def test_an_unknown_model_is_told_the_nearest(client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError, match="Did you mean 'priced'") as caught:
        client.chat.completions.create(model="prised", messages=[USER])

    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


def test_what_was_tried_in_vain_is_not_tried_again_by_the_client(gateway: Gateway):
    patient = gateway.client.with_options(max_retries=2)

    with pytest.raises(openai.InternalServerError):
        patient.chat.completions.create(model="doomed", messages=[USER])

    assert len(gateway.records) == 1


def test_a_failed_request_still_names_its_record(gateway: Gateway):
    response = gateway.post(model="doomed", messages=[USER])

    assert response.status_code == 502
    assert response.headers["x-switchpoint-record"] == gateway.record.id
    assert response.headers["x-should-retry"] == "false"


def test_a_rate_limit_says_how_long_to_wait(gateway: Gateway):
    response = gateway.post(model="busy", messages=[USER])

    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert response.json()["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize(
    ("failures", "status", "retry_after"),
    [
        ([], 502, None),
        ([failure(RateLimited, retry_after_s=9.0), failure(RateLimited, retry_after_s=2.1)], 429, b"3"),
        ([failure(RateLimited), failure(RateLimited, retry_after_s=4)], 429, b"4"),
        ([failure(RateLimited)], 429, None),
        ([failure(RateLimited, retry_after_s=9), failure(core_errors.BadAnswer)], 502, None),
        ([failure(RateLimited), failure(UpstreamTimeout)], 504, None),
        ([failure(UpstreamTimeout), failure(core_errors.BadAnswer)], 502, None),
        ([failure(core_errors.UpstreamRefused, status=400), failure(RequestError)], 400, None),
        ([failure(core_errors.UpstreamRefused, status=401)], 502, None),
    ],
)
def test_no_answer_is_shown_by_its_cause(failures: list[Failure], status: int, retry_after: bytes | None):
    response = shown(no_answer(*failures))

    headers = dict(response.headers)
    assert (response.status, headers.get(b"retry-after")) == (status, retry_after)
    assert headers[b"x-should-retry"] == b"false"


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_of_ours_does_not_look_like_the_callers(status: int):
    response = shown(no_answer(failure(core_errors.UpstreamRefused, status=status)))

    told = json.loads(response.body)["error"]
    assert (response.status, told["code"], told["type"]) == (502, "upstream_refused", "server_error")
    assert "yours are not at fault" in told["message"]


@pytest.mark.parametrize(
    ("error", "retry", "retry_after"),
    [
        (no_answer(), b"false", None),
        (core_errors.DeadlineExceeded("late"), b"false", None),
        (core_errors.BudgetSpent("spent"), b"false", None),
        (core_errors.LimitReached("slow", 2.5), b"true", b"3"),
        (core_errors.LimitReached("slow"), b"true", None),
        (core_errors.Overloaded("full", 0.2), b"true", b"1"),
        (core_errors.Overloaded("full", None), b"true", None),
        (core_errors.StoreUnavailable("gone"), b"true", b"1"),
        (RequestError("no"), None, None),
        (ZeroDivisionError(), None, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_clients_are_told_whether_and_when_to_try_again(
    error: Exception, retry: bytes | None, retry_after: bytes | None
):
    headers = dict(shown(error).headers)

    assert (headers.get(b"x-should-retry"), headers.get(b"retry-after")) == (retry, retry_after)


def test_an_error_that_nobody_foresaw_tells_nothing_and_is_logged(gateway: Gateway, caplog: pytest.LogCaptureFixture):
    response = gateway.post(model="router-buggy-0.5", messages=[USER])

    assert response.status_code == 500
    assert response.json()["error"]["message"] == INTERNAL
    assert "secret" not in response.text
    assert caplog.records[-1].name == "switchpoint.gateway.answering"


def test_an_error_class_of_a_plugin_is_shown_as_its_parent():
    class Quota(RequestError):
        pass

    assert shown(Quota("no")).status == 400
    assert error_object(Quota("no"))["error"]["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("POST", "/v1/completions", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions/", 404, "not_found"),
    ],
)
def test_unknown_paths_and_methods_are_refused_in_openais_shape(
    gateway: Gateway, method: str, path: str, status: int, code: str
):
    response = gateway.http.request(method, path)

    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert f"{method} {path}" in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/route", "/v1/feedback"])
@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\x00\xff"])
def test_malformed_bodies_are_the_callers_to_mend(gateway: Gateway, path: str, body: bytes):
    response = gateway.http.post(path, content=body)

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_body_over_the_limit_is_refused(gateway: Gateway):
    response = gateway.post(messages=[{"role": "user", "content": "x" * MAX_BODY_BYTES}])

    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"
    assert not gateway.upstream.requests


@given(st.text())
def test_a_name_cannot_break_out_of_its_header(name: str):
    assert all(0x21 <= byte <= 0x7E for byte in header_value(name))


@pytest.mark.parametrize("name", ["auto", "acme/mini:high-effort", "router-toy-0.5", "best(of,5)+x=y@z!"])
def test_ordinary_names_stand_in_headers_as_they_are(name: str):
    assert header_value(name) == name.encode()
