"""The report as a page: whole in one file, plain words first, nothing unescaped."""

import re
from dataclasses import replace

import numpy as np
import pytest

from switchpoint.dashboard.routability import routability_page
from switchpoint.evaluation.bootstrap import Interval
from tests.evaluation.test_findings import found_of, ignorant, knowing, outcomes, trial

pytest.importorskip("matplotlib")
__all__ = ["outcomes"]


@pytest.fixture
def found(outcomes):
    dull, wise = (trial(n, outcomes, of(outcomes)) for n, of in (("dull", ignorant), ("wise", knowing)))
    return found_of(outcomes, wise, dull)


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_the_recommendation_comes_first_in_the_largest_type(found):
    page = routability_page(found)

    assert page.index("<h1") < page.index("<h2")
    assert re.search(r"<h1[^>]*>Route: letting &#39;wise&#39; pick the model raises quality", page)


def test_a_page_fetches_nothing_and_runs_nothing(found):
    page = routability_page(found)

    assert not re.search(r"<script|<link|<img|<iframe|@import|\bsrc=|url\((?!#)", page)
    assert set(re.findall(r'https?://[^"\s<]+', page)) == {"http://www.w3.org/2000/svg"}


def test_every_section_is_there(found):
    assert headings(routability_page(found)) == [
        "Why",
        "The models",
        "Two models: mini or max" if found.best == "max" else "Two models: max or mini",
        "Every router",
        "By class of query",
        "How much could be reached",
        "Are the predictions honest?",
        "Leaks, and what is not known",
        "How to make this page again",
        "Words",
    ]


def test_every_router_has_a_row_with_its_gain_and_interval(found):
    page = routability_page(found)

    rows = page.split("<h2>Every router</h2>")[1].split("<h2>")[0]
    assert rows.count("<tr") == 1 + len(found.trials)
    assert "+0.0 to +0.0" in rows


def test_names_from_a_dataset_are_text_and_never_markup(outcomes):
    nasty = replace(outcomes, domains=("<script>alert(1)</script>",) * len(outcomes), models=("<i>a</i>", "b&b"))

    page = routability_page(found_of(nasty, trial("wise", nasty, ignorant(nasty))))

    assert "<script" not in page
    assert "<i>a" not in page
    assert "&lt;i&gt;a" in page


def test_without_costs_the_page_shows_models_and_no_dollars(outcomes):
    free = replace(outcomes, cost_usd=np.full(outcomes.quality.shape, np.nan))

    page = routability_page(found_of(free, trial("wise", free, knowing(free))))

    assert "Costs are not on record" in page
    assert "USD per 1,000" not in page
    assert "$" not in page


def test_warnings_stand_right_under_the_recommendation(outcomes):
    few = outcomes.take(range(30))

    page = routability_page(found_of(few, trial("wise", few, knowing(few))))

    assert page.index("<h1") < page.index("Only 30 queries") < page.index('<dl class="cards">')


def test_an_unknown_figure_is_a_dash_and_never_zero():
    from switchpoint.dashboard.routability import dollars, ends, gain, part, quality

    unknown = Interval(np.nan, np.nan, np.nan)
    assert {show(value) for show in (gain, part, quality, dollars) for value in (None, unknown)} == {"–"}
    assert ends(Interval(0.5, np.nan, np.nan), str) == ""


def test_a_number_and_its_percent_sign_stay_on_one_line(found):
    assert not re.search(r"\d %", routability_page(found))
