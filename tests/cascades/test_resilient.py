"""The retry matrix: every cause of a failure, and what follows from it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.cascades.causes import MATRIX, Cause, Elsewhere, cause
from switchpoint.cascades.resilient import MAX_BACKOFF_S, Resilient
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Attempt, Failure
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, GiveUp, Reason
from switchpoint.core.errors import (
    BadAnswer,
    RateLimited,
    RequestError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from switchpoint.core.query import Query
from switchpoint.routers.policies import MaxUtility
from switchpoint.routers.router import Router
from tests.doubles import Table, answered, catalog, model

QUERY = Query.of("hello")
THREE = catalog("mini", "mid", "big")


def best(of: Catalog = THREE, retries: int = 2) -> Resilient:
    router = Router("r", of, Table(of.ids, [0.3, 0.6, 0.9]), Table(of.ids, [1, 2, 3]), MaxUtility(float("inf")))
    return Resilient(router, of, retries=retries)


def failed(error: Exception, model: str = "big") -> Attempt:
    decision = Decision(model=model, router="r", reason=Reason.FIXED)
    failure = Failure(kind="RequestError", message=str(error)) if isinstance(error, RequestError) else Failure.of(error)
    return Attempt(decision=decision, failure=failure, latency_s=0.1)


def refused(status: int, message: str = "No.") -> UpstreamRefused:
    return UpstreamRefused(f"upstream 'acme' answered {status}: {message}", status=status)


CAUSES = [
    (refused(401, "Incorrect API key provided"), Cause.KEY),
    (refused(402, "Insufficient credits"), Cause.KEY),
    (refused(403, "Forbidden"), Cause.KEY),
    (RateLimited("slow down", status=429), Cause.LIMIT),
    (UpstreamTimeout("late", status=408), Cause.PASSING),
    (UpstreamTimeout("passed its first byte timeout"), Cause.PASSING),
    (UpstreamUnreachable("no connection"), Cause.PASSING),
    (UpstreamError("oops", status=500), Cause.PASSING),
    (UpstreamError("overloaded", status=529), Cause.PASSING),
    (BadAnswer("not JSON"), Cause.BROKEN),
    (refused(413, "Request too large"), Cause.TOO_LONG),
    (refused(400, "This model's maximum context length is 8192 tokens. However, you requested 9001"), Cause.TOO_LONG),
    (refused(400, "prompt is too long: 210000 tokens > 200000 maximum"), Cause.TOO_LONG),
    (refused(400, "The input token count (9) exceeds the maximum number of tokens allowed (8)"), Cause.TOO_LONG),
    (refused(400, "the request exceeds the available context size"), Cause.TOO_LONG),
    (refused(400, "triggering Azure OpenAI's content management policy"), Cause.POLICY),
    (refused(400, "Your request was rejected as a result of our safety system"), Cause.POLICY),
    (refused(400, "Unsupported parameter: 'max_tokens' is not supported with this model"), Cause.MISFIT),
    (refused(404, "The model does not exist"), Cause.MISFIT),
    (refused(405), Cause.MISFIT),
    (RequestError("messages cannot carry 'n'"), Cause.MISFIT),
    (UpstreamRefused("answered with a redirection"), Cause.MISFIT),
    (UpstreamRefused("Too much.", status=400, vendor_code="context_length_exceeded"), Cause.TOO_LONG),
    (UpstreamRefused("Not so.", status=400, vendor_code="content_filter"), Cause.POLICY),
    (UpstreamRefused("No.", status=400, vendor_code="unsupported_parameter"), Cause.MISFIT),
    (UpstreamRefused("unsupported", status=400, vendor_code="content_filter"), Cause.POLICY),
    (RateLimited("You exceeded your current quota.", status=429, vendor_code="insufficient_quota"), Cause.KEY),
    (BadAnswer("sent an error: too long", vendor_code="context_length_exceeded"), Cause.TOO_LONG),
    (refused(400, "messages: field required"), Cause.MALFORMED),
    (refused(422, "value is not a valid list"), Cause.MALFORMED),
]


@pytest.mark.parametrize(("error", "expected"), CAUSES, ids=lambda value: str(value)[-40:])
def test_every_failure_has_one_cause(error: Exception, expected: Cause) -> None:
    assert cause(failed(error).failure) is expected


def test_the_matrix_says_what_follows_from_every_cause() -> None:
    assert set(MATRIX) == set(Cause) == {expected for _, expected in CAUSES}


@pytest.mark.parametrize(("error", "expected"), CAUSES, ids=lambda value: str(value)[-40:])
def test_the_same_model_is_called_again_as_often_as_its_cell_says(error: Exception, expected: Cause) -> None:
    retries = MATRIX[expected].retries
    allowed = 2 if retries is None else retries
    strategy, attempts = best(), [failed(error)]

    while isinstance(step := strategy.next(QUERY, attempts), Call) and step.decision.model == "big":
        assert step.decision.reason is Reason.RETRIED
        attempts.append(failed(error))

    assert len(attempts) - 1 == allowed


@pytest.mark.parametrize(("error", "expected"), CAUSES, ids=lambda value: str(value)[-40:])
def test_another_model_is_called_where_its_cell_says(error: Exception, expected: Cause) -> None:
    attempts = [failed(error)] * 3

    step = best().next(QUERY, attempts)

    if MATRIX[expected].elsewhere is Elsewhere.NONE:
        assert isinstance(step, GiveUp)
    else:  # where it is not known how much each takes, any may take more
        assert (step.decision.model, step.decision.reason, step.delay_s) == ("mid", Reason.FELL_BACK, 0.0)


def test_a_context_that_is_too_long_goes_to_a_model_that_takes_more() -> None:
    sized = Catalog([model("mini", context_tokens=32), model("mid", context_tokens=8), model("big", context_tokens=8)])

    step = best(sized).next(QUERY, [failed(refused(400, "maximum context length is 8 tokens"))])

    assert step.decision.model == "mini"


def test_a_context_that_is_too_long_for_the_largest_is_given_up() -> None:
    sized = Catalog(model(id, context_tokens=8) for id in ("mini", "mid", "big"))

    assert isinstance(best(sized).next(QUERY, [failed(refused(413))]), GiveUp)


def test_a_malformed_request_still_gets_the_answer_in_hand() -> None:
    cascade = Resilient(ThresholdCascade("c", THREE, ["mini", "mid", "big"], "checks", 0.7), THREE)

    step = cascade.next(QUERY, (answered("mini", 0.2), failed(refused(400, "field required"), "mid")))

    assert step == Accept(attempt=0, reason="last of the cascade")


@settings(deadline=None)
@given(st.integers(1, 10), st.text(min_size=1))
def test_pauses_grow_are_jittered_and_bounded(failures: int, id: str) -> None:
    strategy = best(retries=10)

    step = strategy.next(replace(QUERY, id=id), [failed(UpstreamError("oops", status=500))] * failures)

    longest = min(MAX_BACKOFF_S, 0.5 * 2 ** (failures - 1))
    assert 0.5 * longest <= step.delay_s < 1.5 * longest


def test_a_shut_model_is_not_called_again() -> None:
    shut = UpstreamUnreachable("upstream 'acme' failed 5 times in a row")
    shut.retryable = False

    assert best().next(QUERY, [failed(shut)]).decision.model == "mid"
