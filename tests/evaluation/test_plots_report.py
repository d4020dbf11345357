"""Plots of the report: parts of a page, in its colours, of nothing but what was found."""

import xml.etree.ElementTree as ET

import pytest

from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.plots_report import (
    Mark,
    ceilings_plot,
    cost_plot,
    forest_plot,
    gains_plot,
    models_plot,
    reliability_plot,
    share_plot,
)
from tests.evaluation.test_findings import found_of, knowing, outcomes, trial

pytest.importorskip("matplotlib")
__all__ = ["outcomes"]


@pytest.fixture
def found(outcomes):
    return found_of(outcomes, trial("wise", outcomes, knowing(outcomes)))


def words(svg):
    return {"".join(node.itertext()).strip() for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}


def test_models_router_and_baselines_stand_in_the_cost_plot(found):
    assert words(cost_plot(found)) >= {"mini", "max", "oracle", "blind mix of models", "its own choice"}


def test_both_models_stand_in_the_share_plot(found):
    view = found.shown.evaluation.two_model

    assert words(share_plot(view, "wise")) >= {"mini", "max", "length", "blind mix", f"share of calls to {view.strong}"}


def test_every_router_and_the_per_class_constant_stand_in_the_forest(found):
    assert words(gains_plot(found)) >= {"wise", "per-class constant"}


@pytest.mark.parametrize("draw", [cost_plot, gains_plot, ceilings_plot, reliability_plot, models_plot])
def test_a_plot_is_a_part_of_a_page_in_the_colours_of_the_page(draw, found):
    svg = draw(found)

    assert svg.startswith("<svg ")
    assert "var(--ink)" in svg
    assert "#0" not in svg
    assert ' id="figure' not in svg
    assert "<style" not in svg


def test_the_same_findings_give_the_same_bytes(found):
    assert cost_plot(found) == cost_plot(found)


def test_a_name_is_shown_as_it_is_neither_markup_nor_formula():
    svg = forest_plot([Mark("<b>$x_1$</b> & co", Interval(0.0, -0.1, 0.1))], "gain")

    assert "<b>" not in svg
    assert "<b>$x_1$</b> & co" in words(svg)
