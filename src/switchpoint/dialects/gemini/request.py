"""A chat completion as the body of Gemini's generateContent; what Gemini has no field for is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.extensions import EXTENSIONS, GEMINI, without
from switchpoint.dialects.gemini.contents import contents
from switchpoint.dialects.gemini.tools import tools

SAME: Mapping[str, str] = {
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "max_completion_tokens": "maxOutputTokens",
    "max_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "temperature": "temperature",
    "top_k": "topK",
    "top_logprobs": "logprobs",
    "top_p": "topP",
}
"""Parameters that have another name in generationConfig, and that name."""

READ = frozenset({"messages", "model", "reasoning_effort", "response_format", "stop", "tool_choice", "tools", GEMINI})
"""Fields that have another form."""

ASIDE = frozenset(
    {
        "metadata", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "stream",
        "stream_options", "user",
    }
)  # fmt: skip
"""Fields that are not sent, because they do not ask for another answer: they are notes to OpenAI's platform."""

HARMLESS: Mapping[str, tuple[object, ...]] = {
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "verbosity": ("medium",),
}
"""Values of fields without a counterpart that ask for what Gemini does anyway; every other value is refused."""

OTHERS = EXTENSIONS - {GEMINI}

BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
"""Tokens of thinking by reasoning_effort, for models that take a budget. As Google's own OpenAI endpoint maps them,
but for `minimal`, which is 1024 there."""

LEVELS = ("minimal", "low", "medium", "high")
_BUDGETED = re.compile(r"gemini-(1|2)(\.|-)")


def generate_content(chat: Mapping[str, Any]) -> Json:
    """Return the body of a generateContent; raises RequestError, which names the field that cannot be carried.

    The object in `gemini` is put over it, so that whatever Gemini has can be asked for. Extension fields of other
    vendors are left out, as everywhere.
    """
    chat = without(chat, OTHERS)
    _check(chat)
    model = str(chat.get("model"))
    body = contents(chat["messages"], signs=not _BUDGETED.match(model))
    body.update(tools(chat))
    config = {ours: chat[name] for name, ours in SAME.items() if chat.get(name) is not None}
    config |= _stop(chat) | _form(chat) | _thinking(chat, model)
    if config:
        body["generationConfig"] = config
    own = chat.get(GEMINI)
    return _merged(body, own) if isinstance(own, Mapping) else body


def _check(chat: Mapping[str, Any]) -> None:
    for name, value in chat.items():
        known = name in SAME or name in READ or name in ASIDE
        if not known and value is not None and value not in HARMLESS.get(name, ()):
            raise RequestError(f"Gemini has nothing for {name!r} with this value. Leave it out, or use 'gemini'.", name)


def _stop(chat: Mapping[str, Any]) -> Json:
    stop = chat.get("stop")
    if stop is None:
        return {}
    return {"stopSequences": [stop] if isinstance(stop, str) else stop}


def _form(chat: Mapping[str, Any]) -> Json:
    form = chat.get("response_format") or {}
    match form.get("type"):
        case None | "text":
            return {}
        case "json_object":
            return {"responseMimeType": "application/json"}
        case "json_schema" if isinstance(form.get("json_schema"), Mapping):
            schema = form["json_schema"].get("schema")
            return {"responseMimeType": "application/json", "responseJsonSchema": schema}
    raise RequestError(f"Gemini has no response_format {form.get('type')!r}.", "response_format.type")


def _thinking(chat: Mapping[str, Any], model: str) -> Json:
    """Return how much to think: as a budget for models before Gemini 3, as a level since then."""
    effort = chat.get("reasoning_effort")
    if effort is None:
        return {}
    budgeted = _BUDGETED.match(model) is not None
    if effort not in (BUDGETS if budgeted else LEVELS):
        allowed = ", ".join(BUDGETS if budgeted else LEVELS)
        raise RequestError(f"{model!r} has no reasoning_effort {effort!r}. Allowed: {allowed}.", "reasoning_effort")
    amount = {"thinkingBudget": BUDGETS[effort]} if budgeted else {"thinkingLevel": effort}
    return {"thinkingConfig": {**amount, "includeThoughts": effort != "none"}}


def _merged(body: Json, over: Mapping[str, Any]) -> Json:
    """Return a body with another one over it; objects are merged."""
    merged = dict(body)
    for name, value in over.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(dict(before), value)
        else:
            merged[name] = value
    return merged
