"""What one request may hold: refused by name before anything reads it in depth, at a linear cost."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import RequestError
from switchpoint.gateway.limits import LIMITS, check_depth
from switchpoint.gateway.wire import read_object
from tests.fuzz.conftest import SMALL
from tests.gateway.conftest import Gateway

USER = {"role": "user", "content": "Hi"}
TEXT = {"type": "text", "text": "Hi"}


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


TOO_MUCH: list[tuple[str, dict[str, Any]]] = [
    ("messages", {"messages": [USER] * (SMALL.max_messages + 1)}),
    ("messages", {"messages": [{"role": "user", "content": [TEXT] * (SMALL.max_parts + 1)}]}),
    ("tools", {"messages": [USER], "tools": [tool("t")] * (SMALL.max_tools + 1)}),
    ("functions", {"messages": [USER], "functions": [{"name": "f"}] * (SMALL.max_tools + 1)}),
    ("n", {"messages": [USER], "n": SMALL.max_answers + 1}),
    ("model", {"messages": [USER], "model": "m" * (SMALL.max_name_chars + 1)}),
    ("messages[0].name", {"messages": [{**USER, "name": "m" * (SMALL.max_name_chars + 1)}]}),
    ("tools[0].function.name", {"messages": [USER], "tools": [tool("t" * (SMALL.max_name_chars + 1))]}),
]


def test_what_is_at_the_limits_is_answered(strict: str):
    body = {
        "model": "mini",
        "messages": [USER] * (SMALL.max_messages - 1) + [{"role": "user", "content": [TEXT] * SMALL.max_parts}],
        "tools": [tool("t" * SMALL.max_name_chars)] * SMALL.max_tools,
        "n": 1,
    }

    assert httpx2.post(f"{strict}/v1/chat/completions", json=body).status_code == 200


@pytest.mark.parametrize(("param", "body"), TOO_MUCH, ids=[param for param, _ in TOO_MUCH])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/route"])
def test_what_is_over_a_limit_is_refused_by_name(strict: str, path: str, param: str, body: dict[str, Any]):
    response = httpx2.post(f"{strict}{path}", json={"model": "mini", **body})

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_the_limits_hold_in_another_dialect_too(strict: str, path: str):
    body = {"model": "mini", "max_tokens": 5, "messages": [USER] * (SMALL.max_messages + 1)}

    response = httpx2.post(f"{strict}{path}", json=body)

    assert (response.status_code, response.json()["type"]) == (400, "error")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"])
@pytest.mark.parametrize("depth", [LIMITS.max_depth, 990, 90_000])
def test_a_body_that_is_nested_too_deeply_is_refused_in_every_dialect(gateway: Gateway, path: str, depth: int):
    body = b'{"model": "acme/ok", "metadata": ' + b"[" * depth + b"]" * depth + b"}"

    response = gateway.http.post(path, content=body)

    assert response.status_code == 400
    assert "nested too deeply" in response.text


nested = st.recursive(
    st.none() | st.text('[]{}\\"a', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("[]{", max_size=2), inner, max_size=3),
)


def depth_of(value: object) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)


@given(nested, st.integers(1, 6))
def test_the_depth_of_any_body_is_told_exactly(value: object, most: int):
    data = json.dumps(value).encode()

    if depth_of(value) <= most:
        check_depth(value, data, most)
    else:
        with pytest.raises(RequestError, match="nested too deeply"):
            check_depth(value, data, most)


ODD = {
    "not utf-8": b'{"model": "\xff\xfe"}',
    "a byte order mark": b'\xef\xbb\xbf{"messages": []}',
    "utf-16": '{"messages": []}'.encode("utf-16"),
    "NaN": b'{"messages": NaN}',
    "Infinity": b'{"temperature": -Infinity}',
    "a number without end": b'{"seed": ' + b"9" * 10_000 + b"}",
    "a number too large": b'{"temperature": 1e999}',
    "a NUL in a text": b'{"model": "a\x00b"}',
    "only half": b'{"messages": [',
    "two values": b"{} {}",
    "nothing": b"",
    "a comment": b'{"a": 1} // b',
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
def test_what_is_not_json_is_refused(data: bytes):
    with pytest.raises(RequestError):
        read_object(data)


def test_of_a_field_that_stands_twice_the_last_counts_and_is_sent_once(gateway: Gateway):
    body = b'{"model": "acme/fails", "model": "acme/ok", "messages": [{"role": "user", "content": "Hi"}]}'

    assert gateway.http.post("/v1/chat/completions", content=body).status_code == 200
    assert gateway.sent.model == "ok"


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\udfff\ud800", "\U0001f600", "\u202e", "\ufeff"])
def test_any_text_is_carried(gateway: Gateway, text: str):
    body = json.dumps({"model": "acme/ok", "messages": [{"role": "user", "content": text}]})

    assert gateway.http.post("/v1/chat/completions", content=body.encode()).status_code == 200
    assert gateway.sent.body["messages"][0]["content"] == text.encode("utf-16", "replace").decode("utf-16").replace(
        "?", "\ufffd"
    )


@pytest.mark.parametrize("number", ["123456789012345678901234567890", "-0", "1e300", "1E-300"])
def test_any_finite_number_is_carried(gateway: Gateway, number: str):
    body = f'{{"model": "acme/ok", "seed": {number}, "messages": [{{"role": "user", "content": "Hi"}}]}}'

    assert gateway.http.post("/v1/chat/completions", content=body.encode()).status_code == 200
    assert gateway.sent.body["seed"] == json.loads(number)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "é", ""])
def test_a_body_is_read_as_json_whatever_it_is_called(gateway: Gateway, kind: str):
    body = json.dumps({"model": "acme/ok", "messages": [USER]}).encode()

    response = gateway.http.post("/v1/chat/completions", content=body, headers={"content-type": kind.encode()})

    assert response.status_code == 200
