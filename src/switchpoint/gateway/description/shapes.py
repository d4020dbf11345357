"""Shapes: the JSON schemas of the OpenAPI document; generated of our own structs, written here of open forms."""

from __future__ import annotations

from typing import Any

import msgspec

from switchpoint.gateway.endpoints import FeedbackBody
from switchpoint.gateway.options import Options

Json = dict[str, Any]

ANYTHING: Json = {}
STRING: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 1}
NUMBER_OR_NULL: Json = {"type": ["number", "null"]}
BOOLEAN_OR_NULL: Json = {"type": ["boolean", "null"]}
OBJECT_OR_NULL: Json = {"type": ["object", "null"]}
TEXT_OR_PARTS: Json = {"anyOf": [STRING, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]}


def ref(name: str) -> Json:
    """Return the reference to a shape of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def components() -> Json:
    """Return every shape by its name."""
    return dict(sorted({**_ours(), **_requests(), **_answers()}.items()))


def _ours() -> dict[str, Json]:
    """Return the shapes that are read into structs, which refuse fields that they do not know."""
    # Imported here because the application that they belong to serves this document.
    from switchpoint.gateway.management.app import RollbackBody
    from switchpoint.gateway.management.keys import BudgetBody, KeyBody

    structs = [Options, FeedbackBody, RollbackBody, KeyBody, BudgetBody]
    _, made = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    shapes: dict[str, Json] = {
        name: {**shape, "description": shape.get("description", "").split("\n")[0], **_closed(shape)}
        for name, shape in made.items()
    }
    number = {"type": "number"}
    shapes["FeedbackBody"]["oneOf"] = [
        {"required": [name], "properties": {name: number, other: {"type": "null"}}}
        for name, other in (("score", "value"), ("value", "score"))
    ]
    return shapes


def _object(required: tuple[str, ...] = (), **fields: Json) -> Json:
    """Return an object with these fields and any others."""
    shape: Json = {"type": "object", "properties": fields}
    return {**shape, "required": list(required)} if required else shape


def _closed(shape: Json) -> Json:
    """Return what a struct's shape says beside its own words; the defaults that are sets come in one order."""
    if shape.get("type") != "object":
        return {}
    fields = {
        name: {**field, "default": sorted(field["default"])} if isinstance(field.get("default"), list) else field
        for name, field in shape["properties"].items()
    }
    return {"properties": fields, "additionalProperties": False}


def _text_or(name: str) -> Json:
    """Return a text or a list of these; the form's other kinds of parts are its vendor's to describe."""
    return {"anyOf": [STRING, {"type": "array", "minItems": 1, "items": ref(name)}]}


def _requests() -> dict[str, Json]:
    model: Json = {"type": ["string", "null"], "description": "A route, a model, or router-NAME-THRESHOLD."}
    messages = {"type": "array", "minItems": 1, "items": ref("Message")}
    options = {"anyOf": [ref("Options"), {"type": "null"}]}
    chat = {
        "model": model,
        "messages": messages,
        "stream": BOOLEAN_OR_NULL,
        "stream_options": OBJECT_OR_NULL,
        "response_format": OBJECT_OR_NULL,
        "switchpoint": options,
    }
    turns: dict[str, Json] = {"model": STRING, "messages": {"type": "array", "minItems": 1, "items": ref("Turn")}}
    text: Json = {"type": "string", "description": "The request of one user message."}
    return {
        "Message": _object(("role",), role=STRING, content=TEXT_OR_PARTS),
        "ChatRequest": _object(("messages",), **chat),
        "RouteRequest": {"anyOf": [_object(("messages",), **chat), _object(("text",), text=text, switchpoint=options)]},
        "ResponsesRequest": _object(
            ("input",), model=model, input=_text_or("InputItem"), stream=BOOLEAN_OR_NULL, switchpoint=options
        ),
        "InputItem": _object(("role", "content"), role={"enum": ["user", "system"]}, content=STRING),
        "Turn": _object(("role", "content"), role={"enum": ["user", "assistant"]}, content=_text_or("TextBlock")),
        "TextBlock": _object(("type", "text"), type={"const": "text"}, text=STRING),
        "MessagesRequest": _object(
            ("model", "messages", "max_tokens"), **turns, max_tokens=COUNT, stream=BOOLEAN_OR_NULL, switchpoint=options
        ),
        "CountRequest": _object(("model", "messages"), **turns),
        "EmbeddingsRequest": _object(("model", "input"), model=STRING, input=ANYTHING),
    }


def _answers() -> dict[str, Json]:
    entry = _object(
        ("id", "object", "created", "owned_by", "kind"),
        id=STRING,
        object={"const": "model"},
        created={"type": "integer"},
        owned_by=STRING,
        kind={"enum": ["route", "model"]},
        input_usd_per_mtok=NUMBER_OR_NULL,
        output_usd_per_mtok=NUMBER_OR_NULL,
        context_tokens={"type": ["integer", "null"]},
    )
    fault = _object(("message", "type"), message=STRING, type=STRING, param=ANYTHING, code=ANYTHING)
    return {
        "Object": {"type": "object"},
        "Text": STRING,
        "Events": {"description": "Server-sent events, in the vendor's form."},
        "Error": _object(("error",), error=fault),
        "MessagesError": _object(("type", "error"), type={"const": "error"}, error=fault),
        "Health": _object(("status",), status=STRING),
        "ModelEntry": entry,
        "ModelList": _object(("object", "data"), object={"const": "list"}, data={"type": "array", "items": entry}),
        "ChatCompletion": _object(("choices", "model"), choices={"type": "array"}, model=STRING, switchpoint=ANYTHING),
        "RouteDecision": _object(
            ("object", "route", "decision", "excluded"),
            object={"const": "switchpoint.route"},
            route=STRING,
            decision={"type": "object"},
            excluded={"type": "object"},
        ),
        "FeedbackTaken": _object(
            ("record_id", "metric", "value", "source"),
            record_id=STRING,
            metric=STRING,
            value={"type": "number"},
            source=STRING,
        ),
        "TokenCount": _object(("input_tokens",), input_tokens={"type": "integer"}),
    }
