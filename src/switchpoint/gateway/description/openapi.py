"""OpenAPI: what every path takes and gives, as a document of OpenAPI 3.1 made from the paths that are served.

A request is described as far as it is checked and no further: what is passed on to a model untouched has no shape here.

Source: https://spec.openapis.org/oas/v3.1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from switchpoint.core.errors import SURFACE
from switchpoint.core.principal import Permission
from switchpoint.dialects.encoding import encode
from switchpoint.gateway.description.operations import OPERATIONS, Operation
from switchpoint.gateway.description.shapes import components, ref
from switchpoint.gateway.errors import code

if TYPE_CHECKING:
    from switchpoint.gateway.app import Path

Json = dict[str, Any]

_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Description:
    """Serves the document of these paths and of its own."""

    PATH = "/v1/openapi.json"

    def __init__(self, served: Iterable[Path]) -> None:
        self._served = tuple(served)

    async def serve(self, request: Request) -> Response:
        """Return the document."""
        return Response(self._body, media_type="application/json")

    @cached_property
    def _body(self) -> bytes:
        own = (self.PATH, "GET", Permission.INFER)
        return encode(document([own, *((each.path, each.method, each.permission) for each in self._served)]))


def document(served: Iterable[tuple[str, str, Permission]]) -> Json:
    """Return the document of these paths, each with its method and the permission that it demands."""
    paths: dict[str, Json] = {}
    for path, method, permission in served:
        operation = OPERATIONS.get((method, path), Operation(summary="Not described."))
        described = {"operationId": _id(method, path), **_operation(path, operation, permission)}
        paths.setdefault(_template(path), {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Switchpoint",
            "version": version("switchpoint"),
            "description": "A router for language models behind the protocols that their clients speak.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _used(paths, components()),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _used(paths: Json, shapes: Json) -> Json:
    """Return the shapes that the paths refer to, and those that these refer to in turn."""
    found: Json = {}
    waiting: list[Json] = [paths]
    while waiting:
        for name in _REFERENCE.findall(encode(waiting.pop()).decode()):
            if name not in found:
                found[name] = shapes[name]
                waiting.append(shapes[name])
    return dict(sorted(found.items()))


def _operation(path: str, operation: Operation, permission: Permission) -> Json:
    described: Json = {
        "summary": operation.summary,
        "tags": [permission.value],
        "responses": _responses(operation, permission),
    }
    parameters = [*_path_parameters(path), *map(_header, operation.headers)]
    if parameters:
        described["parameters"] = parameters
    if operation.takes is not None:
        content = {"application/json": {"schema": ref(operation.takes)}}
        described["requestBody"] = {"required": operation.required, "content": content}
    # The empty alternative: a gateway without keys lets everybody in.
    described["security"] = [] if permission is Permission.PUBLIC else [{"bearer": []}, {"apiKey": []}, {}]
    return described


def _responses(operation: Operation, permission: Permission) -> Json:
    content = {media: {"schema": ref(shape)} for media, shape in operation.gives.items()}
    headers = {name: {"schema": {"type": "string"}, "description": said} for name, said in operation.tells.items()}
    success: Json = {"description": "Success.", "content": content}
    if headers:
        success["headers"] = headers
    statuses = set(operation.fails) | (set() if permission is Permission.PUBLIC else {401, 403}) | {500}
    statuses |= set() if operation.takes is None else {415}
    return {str(operation.status): success} | {
        str(status): {
            "description": _causes(status),
            "content": {"application/json": {"schema": ref(operation.error)}},
        }
        for status in sorted(statuses)
    }


def _causes(status: int) -> str:
    """Return the codes of the errors that are shown with a status."""
    codes = sorted({code(error) for error, shown in SURFACE.items() if shown.status == status})
    return f"One of: {', '.join(codes)}."


def _path_parameters(path: str) -> list[Json]:
    schema = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in _PARAMETER.findall(path)]


def _header(name: str) -> Json:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}


def _template(path: str) -> str:
    """Return a path as the standard writes it, without the types that the framework wants."""
    return _PARAMETER.sub(r"{\1}", path)


def _id(method: str, path: str) -> str:
    return re.sub(r"\W+", "_", f"{method.lower()} {_template(path)}").strip("_")
