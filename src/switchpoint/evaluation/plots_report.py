"""Plots of the routability report: each one an SVG to stand inside a page.

Colours are the page's own (CSS variables), so that a plot follows it into the dark; text stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.routability import Routability, Standing
from switchpoint.evaluation.two_model import Line, TwoModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, RULE, ACCENT, GOOD, WARM = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
"""Stand-ins for the colours of the page."""

VARIABLES = {INK: "--ink", SOFT: "--soft", RULE: "--line", ACCENT: "--accent", GOOD: "--good", WARM: "--warm"}

NAMESPACE = "http://www.w3.org/2000/svg"

WIDTH = 8.0
"""Inches; a page scales it to its own width."""

Draw = Callable[["Axes"], None]


class Mark(NamedTuple):
    """One line of a forest: a name, a figure with its interval, and whether it is set off from the others."""

    name: str
    figure: Interval
    strong: bool = False


def cost_plot(found: Routability) -> str | None:
    """Draw quality against dollars: models, blind mix, the router with its band, oracle; None without costs."""
    costs = found.shown.evaluation.costs
    if costs is None:
        return None

    def draw(axes: Axes) -> None:
        _band(axes, _per_1k(costs.curve), f"'{found.shown.router}', every operating point")
        single = _per_1k(costs.single_curve)
        axes.plot(single.x, single.y, color=SOFT, linewidth=1.3, linestyle="--", label="blind mix of models")
        for standing in found.models:
            _point(axes, standing, "s", INK, None)
        for each in found.constants:
            if each.name in ("oracle", "class_constant"):
                _point(axes, each, "D", WARM if each.name == "oracle" else GOOD, _CONSTANTS[each.name])
        shown = found.shown.evaluation
        own = Standing("its own choice", None, shown.quality["router"], shown.cost_usd_per_1k["router"])
        _point(axes, own, "o", ACCENT, own.name)
        _axes(axes, "USD per 1,000 queries", "mean quality")
        axes.set_xlim(left=0)

    return _svg(draw, 4.6, legend=True)


def share_plot(view: TwoModel, router: str) -> str:
    """Draw quality against the share of calls to the strong model."""

    def draw(axes: Axes) -> None:
        _band(axes, view.curve, f"'{router}'")
        axes.plot(view.length_curve.x, view.length_curve.y, color=GOOD, linewidth=1.3, linestyle=":", label="length")
        ends = [view.curve.y[0], view.curve.y[-1]]
        axes.plot([0, 1], ends, color=SOFT, linewidth=1.3, linestyle="--", label="blind mix")
        for x, y, name in zip((0.0, 1.0), ends, (view.weak, view.strong), strict=True):
            axes.plot([x], [y], "s", color=INK, markersize=5)
            _name(axes, name, x, y, left=x > 0)
        axes.xaxis.set_major_formatter("{x:.0%}")
        _axes(axes, f"share of calls to {view.strong}", "mean quality")

    return _svg(draw, 4.2, legend=True)


def forest_plot(marks: Sequence[Mark], axis: str, zero: bool = True) -> str:
    """Draw figures with their intervals below each other, in points of 100; a line at 0 is what nothing gains."""

    def draw(axes: Axes) -> None:
        for row, mark in enumerate(marks):
            colour = ACCENT if mark.strong else INK
            value, low, high = (100 * part for part in mark.figure)
            axes.plot([low, high], [row, row], color=colour, linewidth=2.2 if mark.strong else 1.4)
            axes.plot([value], [row], "o", color=colour, markersize=6 if mark.strong else 4.5)
        if zero:
            axes.axvline(0, color=SOFT, linewidth=1)
        axes.set_yticks(range(len(marks)), [mark.name for mark in marks])
        axes.set_ylim(len(marks) - 0.4, -0.6)
        _axes(axes, axis, None)
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        axes.tick_params(axis="y", length=0)

    return _svg(draw, 0.75 + 0.235 * len(marks))


def reliability_plot(found: Routability) -> str | None:
    """Draw what was predicted against what was observed, a dot for each bin; None without probabilities."""
    bins = found.shown.evaluation.reliability
    if not bins:
        return None

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1.2, linestyle="--", label="as predicted")
        for honest, colour, label in (
            (True, ACCENT, "its interval holds the prediction"),
            (False, WARM, "it does not"),
        ):
            some = [each for each in bins if each.honest is honest]
            for each in some:
                axes.plot([each.predicted] * 2, each.observed[1:], color=colour, linewidth=0.9, alpha=0.55)
            sizes = [6 + 60 * each.n_queries / max(b.n_queries for b in bins) for each in some]
            xs, ys = [each.predicted for each in some], [each.observed.value for each in some]
            axes.scatter(xs, ys, s=sizes, color=colour, linewidths=0, label=label)
        _axes(axes, "predicted quality", "observed quality")

    return _svg(draw, 4.4, legend=True)


def ceilings_plot(found: Routability) -> str | None:
    """Draw, on one scale, the best constant, what was reached, what could be, and the oracle beside pure luck."""
    ceiling, reached = found.ceiling, found.shown.evaluation.quality["router"]
    if ceiling is None or reached is None:
        return None
    class_constant = next(each.quality for each in found.constants if each.name == "class_constant")
    marks = [
        Mark("best constant", ceiling.best_single),
        Mark(f"router '{found.shown.router}'", reached, strong=True),
        *([] if class_constant is None else [Mark("per-class constant", class_constant)]),
        Mark("class map", ceiling.class_map),
        Mark("others know", ceiling.others_know),
        Mark("oracle", ceiling.oracle),
        Mark("permuted oracle (pure luck)", ceiling.permuted_oracle),
    ]
    return forest_plot(marks, "mean quality, points of 100", zero=False)


def gains_plot(found: Routability) -> str:
    """Draw the paired gain of every router, and of the per-class constant, over the best constant, best first."""
    gains = [
        Mark(trial.router, trial.evaluation.gain_over_best_single, trial is found.for_quality)
        for trial in found.trials
        if trial.evaluation.gain_over_best_single is not None
    ]
    marks = sorted([*gains, Mark("per-class constant", found.class_gain)], key=lambda mark: -mark.figure.value)
    return forest_plot(marks, f"gain in quality over always {found.best}, points of 100")


def models_plot(found: Routability) -> str:
    """Draw the mean quality of each model, best first."""
    marks = [Mark(each.name, each.quality, each.name == found.best) for each in found.models if each.quality]
    return forest_plot(sorted(marks, key=lambda mark: -mark.figure.value), "mean quality, points of 100", zero=False)


_CONSTANTS = {"oracle": "oracle", "class_constant": "per-class constant"}


def _svg(draw: Draw, height: float, legend: bool = False) -> str:
    try:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("The report draws with matplotlib: pip install 'switchpoint[train]'.") from None
    out = StringIO()
    # Text stays text, the bytes are the same every time, and a dollar sign in a name starts no formula.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "switchpoint", "text.parse_math": False}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        draw(axes)
        if legend:
            figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9, labelcolor=INK)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(out.getvalue())


def _inline(svg: str) -> str:
    """Make a file of its own a part of a page: no header, no ids that another plot has too, the page's colours."""
    svg = svg[svg.index("<svg") :].replace("xlink:href", "href")
    svg = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg xmlns="{NAMESPACE}" viewBox="\1" role="img">', svg, count=1
    )
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg


def _axes(axes: Axes, x: str, y: str | None) -> None:
    axes.set_xlabel(x, color=INK, fontsize=9.5)
    if y is not None:
        axes.set_ylabel(y, color=INK, fontsize=9.5)
        axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.tick_params(colors=INK, labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(SOFT)
    axes.set_axisbelow(True)


def _band(axes: Axes, curve: Line, label: str) -> None:
    axes.fill_between(curve.x, curve.low, curve.high, color=ACCENT, alpha=0.18, linewidth=0, label="95 % interval")
    axes.plot(curve.x, curve.y, color=ACCENT, linewidth=2, label=label)


def _point(axes: Axes, standing: Standing, marker: str, colour: str, label: str | None) -> None:
    """Mark a way of answering with its interval of quality; a model is named, the others stand in the legend."""
    quality, cost = standing.quality, standing.cost_usd_per_1k
    if quality is None or cost is None:
        return
    axes.plot([cost.value] * 2, [quality.low, quality.high], color=colour, linewidth=1, alpha=0.5)
    axes.plot([cost.value], [quality.value], marker, color=colour, markersize=6, linestyle="none", label=label)
    if label is None:
        _name(axes, standing.name, cost.value, quality.value, left=False)


def _name(axes: Axes, name: str, x: float, y: float, *, left: bool) -> None:
    axes.annotate(
        name.rsplit("/", 1)[-1],
        (x, y),
        (-7 if left else 7, -4),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        fontsize=8.5,
        color=INK,
    )


def _per_1k(curve: Line) -> Line:
    return Line(x=np.asarray(curve.x) * 1_000, y=curve.y, low=curve.low, high=curve.high)
