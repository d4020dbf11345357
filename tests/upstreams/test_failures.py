import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import (
    BadAnswer,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from switchpoint.upstreams.failures import MESSAGE_CHARS, Failures, own_message, retry_after_s

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
FAILURES = Failures("acme", secrets=["Bearer sk-0123456789"])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, UpstreamRefused),
        (400, UpstreamRefused),
        (401, UpstreamRefused),
        (404, UpstreamRefused),
        (422, UpstreamRefused),
        (408, UpstreamTimeout),
        (429, RateLimited),
        (500, UpstreamError),
        (503, UpstreamError),
        (504, UpstreamError),
    ],
)
def test_a_status_becomes_the_error_of_its_kind(status: int, expected: type[UpstreamError]) -> None:
    error = FAILURES.of_status(status, {}, b"{}")

    assert type(error) is expected
    assert error.status == status
    assert error.retryable is (expected is not UpstreamRefused)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "Retry-After": "7"}, 0.25),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
    ],
)
def test_the_advised_wait_is_read_in_seconds(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, NOW) == expected


@given(st.text(max_size=40))
def test_any_retry_after_is_a_finite_wait_or_unknown(advice: str) -> None:
    wait_s = retry_after_s({"Retry-After": advice}, NOW)

    assert wait_s is None or 0 <= wait_s < float("inf")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "Too  long.\nReally."}}, "Too long. Really."),
        ({"error": "plain"}, "plain"),
        ({"error": None, "detail": "Not Found"}, "Not Found"),
        ({"object": "error", "message": "old vLLM"}, "old vLLM"),
        ("<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
        ("", "no message"),
    ],
)
def test_the_upstreams_own_words_are_found_in_any_usual_body(body: object, expected: str) -> None:
    assert own_message(body) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, "context_length_exceeded"),
        ({"code": None, "type": "invalid_request_error"}, "invalid_request_error"),
        ({"code": 400, "type": "exceed_context_size_error"}, "exceed_context_size_error"),
        ({"code": "400"}, None),
        ({"code": "sk-0123456789 is no key"}, None),
        ("plain", None),
    ],
)
def test_what_the_vendor_calls_an_error_is_kept_where_it_is_a_word(error: object, expected: str | None) -> None:
    body = msgspec.json.encode({"error": error})

    assert FAILURES.of_status(400, {}, body).vendor_code == expected
    assert FAILURES.of_error(error).vendor_code == expected


def test_the_upstreams_own_words_are_capped() -> None:
    error = FAILURES.of_status(400, {}, b"x" * 10_000)

    assert str(error) == f"upstream 'acme' answered 400: {'x' * MESSAGE_CHARS}"


def test_a_key_is_masked_even_where_the_cap_would_cut_it() -> None:
    body = b"x" * (MESSAGE_CHARS - 5) + b" sk-0123456789 is no good key"

    assert "sk-0" not in str(FAILURES.of_status(401, {}, body))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 429}, RateLimited),
        ({"code": "503"}, UpstreamError),
        ({"status": 400}, UpstreamRefused),
        ({"code": "server_error"}, BadAnswer),
        ({"code": 7}, BadAnswer),
        ("just words", BadAnswer),
    ],
)
def test_an_error_inside_an_answer_is_mapped_by_the_status_it_carries(error: object, expected: type) -> None:
    assert type(FAILURES.of_error(error)) is expected
