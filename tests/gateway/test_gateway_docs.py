"""`docs/gateway.md` says what is so."""

import re
from pathlib import Path

import pytest
from starlette.routing import Route

from switchpoint.core.errors import SURFACE
from switchpoint.gateway.endpoints import FeedbackBody
from switchpoint.gateway.errors import code
from switchpoint.gateway.listing import FACTS
from switchpoint.gateway.options import HEADERS, Options
from switchpoint.gateway.serve import GRACE_S
from switchpoint.gateway.service import MAX_BODY_BYTES
from switchpoint.gateway.telling import CUT_SHORT, SCHEMA_VERSION
from tests.gateway.conftest import USER, Gateway
from tests.gateway.test_serve import app_of

PAGE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of every table under a heading, without the tables' own headings."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0] if heading else PAGE.split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_every_path_is_on_the_page_and_no_other():
    routes = [route for route in app_of().routes if isinstance(route, Route)]
    served = {f"{method} {route.path_format}" for route in routes for method in route.methods - {"HEAD"}}

    assert {name for name in names([row[0] for row in rows("")]) if "/" in name} == served


@pytest.mark.parametrize("kind", SURFACE)
def test_the_table_of_errors_is_the_table_of_the_code(kind: type):
    status, type_, _ = SURFACE[kind]

    assert [f"`{kind.__name__}`", str(status), f"`{type_}`", f"`{code(kind)}`"] in rows("Errors")


def test_the_table_of_errors_has_nothing_else():
    assert len(rows("Errors")) == len(SURFACE)


def test_every_option_is_on_the_page_with_its_header():
    documented = {name: header.split(":")[0].strip("`") for name, header, _ in rows("What may be asked of the routing")}

    options = {option: name.decode() for name, (option, _) in reversed(HEADERS.items())}  # the first header of each
    assert documented == {f"`{option}`": name for option, name in options.items()}
    assert set(options) == set(Options.__struct_fields__)


def test_the_headers_of_a_response_are_those_of_the_page(gateway: Gateway):
    response = gateway.post(messages=[USER])

    told = {name for name in response.headers if name.startswith("x-")} | {"x-switchpoint-accept-reason"}
    told |= {"x-switchpoint-session-phase", "x-switchpoint-min-quality", "x-switchpoint-cache"}
    assert {name for name in names([row[0] for row in rows("What is told of the decision")]) if "-" in name} == told
    assert response.headers["x-switchpoint-version"] == SCHEMA_VERSION.decode()


def test_every_reason_that_a_header_tells_is_on_the_page():
    assert all(f"`{reason.replace(' ', '-')}`" in PAGE for reason in CUT_SHORT)


def test_the_story_has_the_fields_of_the_page(gateway: Gateway):
    told = gateway.post(messages=[USER], switchpoint={"explain": True}).json()["switchpoint"]

    fields = {
        name: cells for *cells, meaning in rows("What is told of the decision") for name in names(cells) if name in told
    }
    meaning = dict((row[0].strip("`"), row[1]) for row in rows("What is told of the decision"))
    assert set(fields) == set(told)
    assert set(names([meaning["decision"]])) == set(told["decision"])
    assert set(names([meaning["attempts"]])) == set(told["attempts"][0])


def test_fields_and_limits_named_in_the_text_are_so():
    for name in (*FACTS, *FeedbackBody.__struct_fields__):
        assert f"`{name}`" in PAGE
    assert f"{GRACE_S} seconds" in PAGE
    assert MAX_BODY_BYTES == 10_000_000 and "10 MB" in PAGE
