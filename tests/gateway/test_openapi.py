"""The OpenAPI document says of every path what is so; `python -m tests.gateway.test_openapi` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from switchpoint.core.principal import Permission
from switchpoint.gateway.app import paths
from switchpoint.gateway.description.openapi import document
from switchpoint.gateway.description.operations import OPERATIONS
from switchpoint.gateway.management.app import Management, public_paths
from switchpoint.gateway.management.keys import KeyManagement
from tests.gateway.conftest import USER, Gateway

DOCS = Path(__file__).parents[2] / "docs"
MANAGEMENT = [*public_paths(), *Management(None, dict).paths(), *KeyManagement(None, None).paths()]
LISTENERS = {"openapi.json": paths(0), "openapi-management.json": MANAGEMENT}


def written(page: str = "openapi.json") -> dict[str, Any]:
    return document((each.path, each.method, each.permission) for each in LISTENERS[page])


def text(page: str = "openapi.json") -> str:
    return json.dumps(written(page), indent=1) + "\n"


@pytest.mark.parametrize("path", [*paths(0), *MANAGEMENT], ids=lambda path: f"{path.method} {path.path}")
def test_every_path_is_described(path: Any):
    assert (path.method, path.path) in OPERATIONS


@pytest.mark.parametrize("page", LISTENERS)
def test_the_page_is_current(page: str):
    assert (DOCS / page).read_text() == text(page), "run python -m tests.gateway.test_openapi"


def test_the_document_is_served_as_it_is_written(gateway: Gateway):
    assert gateway.http.get("/v1/openapi.json").json() == written()


def test_every_reference_leads_somewhere():
    document = text()

    names = {part.split('"')[0] for part in document.split("#/components/schemas/")[1:]}
    assert names <= set(written()["components"]["schemas"])


def test_every_operation_has_an_id_of_its_own():
    ids = [each["operationId"] for path in written()["paths"].values() for each in path.values()]

    assert len(set(ids)) == len(ids)


def test_only_a_public_path_is_open_to_everybody():
    described = written()["paths"]

    for each in paths(0):
        operation = described[each.path.replace(":path", "")][each.method.lower()]
        assert (operation["security"] == []) is (each.permission is Permission.PUBLIC)


@pytest.mark.parametrize("shape", written()["components"]["schemas"].items(), ids=lambda shape: shape[0])
def test_every_shape_is_a_json_schema(shape: tuple[str, Any]):
    jsonschema.Draft202012Validator.check_schema(shape[1])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/chat/completions", {"messages": [USER]}),
        ("POST", "/v1/chat/completions", {"messages": []}),
        ("POST", "/v1/chat/completions", {"model": "nobody", "messages": [USER]}),
        ("POST", "/v1/chat/completions", {"model": "doomed", "messages": [USER]}),
        ("POST", "/v1/chat/completions", {"model": "busy", "messages": [USER]}),
        ("POST", "/v1/route", {"text": "Hello"}),
        ("POST", "/v1/feedback", {"record_id": "nobody", "score": 1}),
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/priced", None),
        ("GET", "/v1/models/nobody", None),
        ("GET", "/health", None),
    ],
)
def test_what_is_answered_is_what_is_described(gateway: Gateway, method: str, path: str, body: Any):
    response = gateway.http.request(method, path, json=body)

    name = path if path in written()["paths"] else "/v1/models/{name}"
    described = written()["paths"][name][method.lower()]["responses"][str(response.status_code)]
    schema = described["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**schema, "components": written()["components"]})


@pytest.mark.parametrize(
    ("path", "shape", "body"),
    [
        ("/v1/chat/completions", "ChatRequest", {}),
        ("/v1/chat/completions", "ChatRequest", {"messages": []}),
        ("/v1/chat/completions", "ChatRequest", {"messages": [{"content": "no role"}]}),
        ("/v1/chat/completions", "ChatRequest", {"messages": [{"role": "user", "content": 3}]}),
        ("/v1/chat/completions", "ChatRequest", {"messages": [USER], "stream": "yes"}),
        ("/v1/chat/completions", "ChatRequest", {"messages": [USER], "switchpoint": {"nobody": 1}}),
        ("/v1/feedback", "FeedbackBody", {"record_id": "x"}),
        ("/v1/feedback", "FeedbackBody", {"record_id": "x", "score": 0.5, "value": 0.5}),
        ("/v1/feedback", "FeedbackBody", {"record_id": "x", "score": 2}),
    ],
)
def test_what_the_document_forbids_is_refused(gateway: Gateway, path: str, shape: str, body: Any):
    schema = {"$ref": f"#/components/schemas/{shape}", "components": written()["components"]}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, schema)
    assert gateway.http.post(path, json=body).status_code == 400


if __name__ == "__main__":
    for page in LISTENERS:
        (DOCS / page).write_text(text(page))
