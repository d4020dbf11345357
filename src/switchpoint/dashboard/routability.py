"""The routability report as one HTML file: styles and plots are inside, and nothing is fetched."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from switchpoint.dashboard.formats import FILTERS, UNKNOWN
from switchpoint.dashboard.pages import STYLE, TEMPLATES, environment_of
from switchpoint.evaluation import plots_report as plots
from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.routability import FEW_OF_CLASS, Routability
from switchpoint.evaluation.sentences import mixture, points, share_of

NO_BREAK = "\N{NO-BREAK SPACE}"

WAYS: Mapping[str, str] = {
    "best_single": "best constant",
    "cheapest": "cheapest constant",
    "random": "any model, drawn",
    "class_constant": "per-class constant",
    "oracle": "oracle",
}
"""Ways of answering that need no trained router, in words."""


def routability_page(report: Routability) -> str:
    """Render the report; raises ConfigError without matplotlib."""
    evaluation = report.shown.evaluation
    pictures = {
        "cost": plots.cost_plot(report),
        "share": evaluation.two_model and plots.share_plot(evaluation.two_model, report.shown.router),
        "models": plots.models_plot(report),
        "gains": plots.gains_plot(report),
        "ceilings": plots.ceilings_plot(report),
        "reliability": plots.reliability_plot(report),
    }
    # Made here of escaped text; every other value of the page is escaped by the template.
    drawn = {name: None if svg is None else Markup(svg) for name, svg in pictures.items()}
    template = _environment().get_template("routability.html")
    page = template.render(report=report, plots=drawn, ways=WAYS, few_of_class=FEW_OF_CLASS, mixture=mixture)
    return re.sub(r"(?<=\d) %", f"{NO_BREAK}%", page)


def gain(found: Interval | None) -> str:
    """Show a difference of qualities in points of 100."""
    return UNKNOWN if found is None or math.isnan(found.value) else points(found.value)


def part(found: Interval | float | None) -> str:
    """Show a part of one in percent."""
    value = found.value if isinstance(found, Interval) else found
    return UNKNOWN if value is None or math.isnan(value) else share_of(value)


def quality(found: Interval | None) -> str:
    """Show a mean quality in points of 100."""
    return UNKNOWN if found is None or math.isnan(found.value) else f"{found.value * 100:.1f}"


def dollars(found: Interval | None) -> str:
    """Show USD."""
    return str(FILTERS["usd"](None if found is None else found.value))


def ends(found: Interval | None, show: Callable[[float], str]) -> str:
    """Show the ends of an interval; nothing where they are not known."""
    if found is None or math.isnan(found.low):
        return ""
    return f"{show(found.low)} to {show(found.high)}"


def _ends_by(show: Callable[[Interval], str]) -> Callable[[Interval | None], str]:
    return lambda found: ends(found, lambda value: show(Interval(value, value, value)))


@cache
def _environment() -> Environment:
    shown: dict[str, Callable[[Any], str]] = {"gain": gain, "part": part, "quality": quality, "dollars": dollars}
    filters = {**shown, **{f"{name}_ends": _ends_by(show) for name, show in shown.items()}}
    return environment_of(filters, STYLE + (TEMPLATES / "routability.css").read_text("utf-8"))
