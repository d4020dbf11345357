"""The pages over HTTP: three read-only routes. Who may see them is for the application that mounts them to decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from switchpoint.core.errors import RequestError
from switchpoint.dashboard.pages import STYLE_HASH, problem_page, record_page, records_page
from switchpoint.records.reader import RecordReader

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def routes(reader: RecordReader) -> list[Route]:
    """Return `GET /`, `GET /records` and `GET /records/{id}`.

    Links are relative, so the routes can be mounted under any prefix. The functions are synchronous: Starlette runs
    them in its threads, and reading the file never holds up the event loop.
    """

    def home(request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/records", headers=HEADERS)

    def records(request: Request) -> Response:
        return _page(lambda: records_page(reader, before=request.query_params.get("before")), home="records")

    def record(request: Request) -> Response:
        return _page(lambda: record_page(reader, request.path_params["id"]), home="../records")

    return [Route("/", home), Route("/records", records), Route("/records/{id}", record)]


def _page(render: Callable[[], str], home: str) -> Response:
    try:
        return HTMLResponse(render(), headers=HEADERS)
    except RequestError as error:
        return HTMLResponse(problem_page(str(error), home), status_code=404, headers=HEADERS)
