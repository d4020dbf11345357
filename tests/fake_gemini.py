"""FakeGemini: a server on loopback that speaks Gemini's generateContent and behaves as the model's name says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.fake_openai import TEXT, Behaviour, Exchange, FakeOpenAI, Received, hanging_up, silent

USAGE = {
    "promptTokenCount": 12,
    "cachedContentTokenCount": 8,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 19,
}
SIGNATURE = "c2lnbmVk"
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
CALL = {"functionCall": {"id": "fc-1", "name": "clock", "args": {"zone": "UTC"}}, "thoughtSignature": SIGNATURE}


def saying(*parts: Mapping[str, Any], finish: str | None = "STOP", usage: Mapping[str, Any] = USAGE) -> Behaviour:
    """Answer with these parts, each in an event of its own when streamed."""

    async def behave(exchange: Exchange) -> None:
        if not exchange.received.streams:
            await exchange.json(response(exchange, parts, finish, usage))
            return
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            await exchange.event(response(exchange, [part], finish if last else None, usage))
        await exchange.end()

    return behave


def response(
    exchange: Exchange, parts: Any, finish: str | None, usage: Mapping[str, Any] | None = USAGE
) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    named = {"modelVersion": exchange.received.model, "responseId": "r1"}
    return {"candidates": [candidate], **named, "usageMetadata": usage}


def sending(body: Any, status: int = 200) -> Behaviour:
    """Answer with exactly this body, as the only event when streamed."""

    async def behave(exchange: Exchange) -> None:
        if exchange.received.streams and status == 200:
            await exchange.event(body)
            await exchange.end()
        else:
            await exchange.json(body, status)

    return behave


def failing(status: int, message: str, name: str, *details: Mapping[str, Any]) -> Behaviour:
    """Refuse in Google's form."""
    return sending({"error": {"code": status, "message": message, "status": name, "details": details}}, status)


async def echo(exchange: Exchange) -> None:
    """Answer with the last text."""
    text = exchange.received.body["contents"][-1]["parts"][-1]["text"]
    await saying({"text": text})(exchange)


async def stalling(exchange: Exchange) -> None:
    """Send the beginning of an answer and nothing more."""
    await exchange.event(response(exchange, [{"text": "Hel"}], None))
    await exchange.hang()


async def truncated(exchange: Exchange) -> None:
    """End a stream without a finish reason."""
    await exchange.event(response(exchange, [{"text": "Hel"}], None))
    await exchange.end()


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": saying(*({"text": TEXT[i : i + 4]} for i in range(0, len(TEXT), 4))),
    "echo": echo,
    "tools": saying(CALL, {"functionCall": {"name": "date", "args": {}}}),
    "thinks": saying({"text": "Two and two.", "thought": True}, {"text": "4", "thoughtSignature": SIGNATURE}),
    "draws": saying({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
    "long": saying({"text": "It is"}, finish="MAX_TOKENS"),
    "filtered": saying({"text": "It is"}, finish="SAFETY"),
    "malformed": saying({"text": ""}, finish="MALFORMED_FUNCTION_CALL"),
    "blocked": sending({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "blocked"}),
    "error-event": sending({"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}),
    "limited": failing(429, "Quota exceeded.", "RESOURCE_EXHAUSTED", RETRY_INFO),
    "fails": failing(500, "The server is tired.", "INTERNAL"),
    "refuses": failing(400, "API key not valid.", "INVALID_ARGUMENT"),
    "stalls": stalling,
    "truncated": truncated,
    "silent": silent,
    "hangs-up": hanging_up,
}
"""What each model does unless a test says otherwise; any other model is refused with 404."""


class FakeGemini(FakeOpenAI):
    """The server; its requests hold the bodies as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.behaviours = dict(BEHAVIOURS)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _answer(self, exchange: Exchange) -> None:
        """Say the model and whether to stream as the behaviours read them; here both stand in the path."""
        path = exchange.received.path.partition("?")[0]
        model, _, method = path.rpartition("/")[2].partition(":")
        told = {"model": model, "stream": method == "streamGenerateContent"}
        exchange.received = _told(exchange.received, told)
        unknown = failing(404, "The model does not exist.", "NOT_FOUND")
        try:
            await self.behaviours.get(model, unknown)(exchange)
        except OSError:
            exchange.over = True
            self.disconnected.set()


def _told(received: Received, told: Mapping[str, Any]) -> Received:
    return replace(received, body={**json.loads(json.dumps(received.body)), **told})
