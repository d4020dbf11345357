"""Plot: a router's curve between its baselines, as one picture of 800 by 500 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.evaluation.report import POLICIES, Evaluation, Point
from switchpoint.evaluation.two_model import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png")
ROUTER, BASELINE, MODEL, ORACLE, GRID = "#0b6e99", "#8a8a8a", "#333333", "#b5651d", "#e6e6e6"
NEAR_HULL = 0.002
"""Single models are named where no mix of others is better by more than this; the rest are dots."""


def plot(evaluation: Evaluation, path: Path) -> None:
    """Draw quality against cost or, where a cost is unknown, against the share of strong calls; SVG or PNG.

    Without costs and without a pair there is no curve; then the choices are drawn side by side.
    Raises ConfigError for another format, a file that cannot be written, or without matplotlib.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"A plot is written as {' or '.join(FORMATS)}. Got {str(path)!r}.")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("Plots need matplotlib: pip install 'switchpoint[train]'.") from None
    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if evaluation.costs is not None:
        _against_cost(axes, evaluation)
    elif evaluation.two_model is not None:
        _against_share(axes, evaluation)
    else:
        _side_by_side(axes, evaluation)
    axes.set_title(
        f"{evaluation.router} on {evaluation.dataset}, {evaluation.n_queries:,} queries", loc="left", fontsize=11
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    try:
        figure.savefig(path)
    except OSError as error:
        raise ConfigError(f"The plot cannot be written to {str(path)!r}: {error.strerror}.") from None


def _against_share(axes: Axes, evaluation: Evaluation) -> None:
    view = evaluation.two_model
    assert view is not None
    _curve(axes, view.curve, f"{evaluation.router}, APGR {view.apgr.value:.3f}")
    weak, strong = view.curve.y[0], view.curve.y[-1]
    length = f"length, APGR {view.apgr_length.value:.3f}"
    axes.plot(view.length_curve.x, view.length_curve.y, color=BASELINE, linewidth=1.2, linestyle=":", label=length)
    axes.plot([0, 1], [weak, strong], color=BASELINE, linewidth=1.2, linestyle="--", label="random mix")
    oracle = evaluation.quality["oracle"]
    if oracle is not None and len(evaluation.models) == 2:
        axes.axhline(oracle.value, color=ORACLE, linewidth=1, label=f"oracle, APGR {view.apgr_oracle.value:.3f}")
    for point in (Point(view.weak, 0.0, weak), Point(view.strong, 1.0, strong)):
        _named_model(axes, point, left=point.cost_usd > 0)
    chosen = evaluation.quality["router"]
    if len(evaluation.models) == 2 and chosen is not None:
        _operating_point(axes, evaluation.shares[view.strong], chosen.value)
    axes.set_xlabel(f"share of calls to {_short(view.strong)}")
    axes.xaxis.set_major_formatter("{x:.0%}")
    _quality_axis(axes, 0.03)


def _against_cost(axes: Axes, evaluation: Evaluation) -> None:
    costs = evaluation.costs
    assert costs is not None
    curve, single = _per_1k(costs.curve), _per_1k(costs.single_curve)
    _curve(axes, curve, f"{evaluation.router}, AIQ {costs.aiq.value:.3f}")
    label = f"random mix, AIQ {costs.aiq_single_models.value:.3f}"
    axes.plot(single.x, single.y, color=BASELINE, linewidth=1.2, linestyle="--", label=label)
    _named_point(axes, evaluation, "length", "length", "D", BASELINE)
    _named_point(axes, evaluation, "oracle", "oracle", "*", ORACLE)
    chosen, bill = evaluation.quality["router"], evaluation.cost_usd_per_1k["router"]
    if chosen is not None and bill is not None:
        _operating_point(axes, bill.value, chosen.value)
    points = [Point(p.name, p.cost_usd * 1_000, p.quality) for p in evaluation.singles]
    named = [p for p in points if p.quality >= np.interp(p.cost_usd, single.x, single.y) - NEAR_HULL]
    rest = [p for p in points if p not in named]
    if rest:
        x, y = [p.cost_usd for p in rest], [p.quality for p in rest]
        axes.plot(x, y, "s", color=BASELINE, markersize=4, label="single models", linestyle="none", zorder=6)
    for point in named:
        _named_model(axes, point, left=point.cost_usd > 0.67 * single.x[-1])
    axes.set_xlabel("USD per 1,000 queries")
    _quality_axis(axes, 0.04)


def _side_by_side(axes: Axes, evaluation: Evaluation) -> None:
    rows = [name for name in POLICIES if evaluation.quality.get(name) is not None]
    for row, name in enumerate(rows):
        figure = evaluation.quality[name]
        assert figure is not None
        colour = {"router": ROUTER, "oracle": ORACLE}.get(name, MODEL)
        axes.plot([figure.low, figure.high], [row, row], color=colour, linewidth=2, alpha=0.4)
        axes.plot([figure.value], [row], "o", color=colour, markersize=8)
        axes.annotate(
            f"{figure.value:.3f}", (figure.value, row), (0, 7), textcoords="offset points", ha="center", size=9
        )
    singles = [point.quality for point in evaluation.singles]
    axes.plot(singles, [len(rows)] * len(singles), "|", color=BASELINE, markersize=12)
    best = f"best_single\n{_short(evaluation.best_single_model or '')}"
    names = [best if name == "best_single" else name for name in rows]
    axes.set_yticks(range(len(rows) + 1), [*names, "each single model"])
    axes.invert_yaxis()
    axes.set_xlabel("mean quality, with its 95 % interval")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.margins(y=0.12)


def _curve(axes: Axes, curve: Line, label: str) -> None:
    axes.fill_between(curve.x, curve.low, curve.high, color=ROUTER, alpha=0.15, linewidth=0, label="95 % interval")
    axes.plot(curve.x, curve.y, color=ROUTER, linewidth=2, label=label)


def _quality_axis(axes: Axes, margin: float) -> None:
    axes.set_ylabel("mean quality")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.margins(x=margin, y=0.06)


def _operating_point(axes: Axes, x: float, y: float) -> None:
    axes.plot([x], [y], "o", color=ROUTER, markersize=9, markeredgecolor="white", label="its own choice", zorder=5)


def _named_point(axes: Axes, evaluation: Evaluation, name: str, label: str, marker: str, colour: str) -> None:
    quality, cost = evaluation.quality.get(name), evaluation.cost_usd_per_1k.get(name)
    if quality is not None and cost is not None:
        axes.plot([cost.value], [quality.value], marker, color=colour, markersize=8, label=label, linestyle="none")


def _named_model(axes: Axes, point: Point, *, left: bool) -> None:
    """Mark and name a single model; the name stands on the side where it stays inside the picture."""
    name, x, y = point
    axes.plot([x], [y], "s", color=MODEL, markersize=5, zorder=4)
    axes.annotate(
        _short(name),
        (x, y),
        (-7 if left else 7, -6),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        size=8,
        color=MODEL,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
    )


def _per_1k(curve: Line) -> Line:
    return Line(x=curve.x * 1_000, y=curve.y, low=curve.low, high=curve.high)


def _short(model: str) -> str:
    return model.rsplit("/", 1)[-1]
