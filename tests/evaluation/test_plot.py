import xml.etree.ElementTree as ET

import numpy as np
import pytest

from switchpoint.core.errors import ConfigError
from switchpoint.evaluation.evaluate import evaluate
from switchpoint.evaluation.plot import plot
from tests.evaluation.toys import Table, make_outcomes

pytest.importorskip("matplotlib")

RANDOM = np.random.default_rng(0)
QUALITY = (RANDOM.random((40, 2)) < [0.5, 0.8]).astype(float)


def evaluation(quality=QUALITY, cost_usd=None, models=("org/mini", "org/max")):
    outcomes = make_outcomes(quality, cost_usd, models=models)
    return evaluate(Table(outcomes, 0.3 + 0.4 * quality), outcomes, router="toy", train=outcomes, resamples=20)


def words(path):
    """Matplotlib draws text as shapes and leaves it beside them as a comment."""
    ET.parse(path)
    return path.read_text()


def test_two_models_without_costs_are_drawn_over_the_share_of_strong_calls(tmp_path):
    plot(evaluation(), tmp_path / "curve.svg")

    drawn = words(tmp_path / "curve.svg")
    assert "share of calls to max" in drawn
    assert "random mix" in drawn
    assert "oracle" in drawn
    assert "length, APGR" in drawn


def test_with_costs_quality_is_drawn_over_dollars(tmp_path):
    quality = (RANDOM.random((40, 3)) < [0.5, 0.4, 0.9]).astype(float)

    plot(evaluation(quality, [0.001, 0.004, 0.01], ("org/mini", "org/waste", "org/max")), tmp_path / "curve.svg")

    drawn = words(tmp_path / "curve.svg")
    assert "USD per 1,000 queries" in drawn
    assert "single models" in drawn


def test_a_png_is_800_by_500(tmp_path):
    plot(evaluation(), tmp_path / "curve.PNG")

    header = (tmp_path / "curve.PNG").read_bytes()[:24]
    assert header[:4] == b"\x89PNG"
    assert (int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) == (800, 500)


def test_another_format_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.svg or \.png"):
        plot(evaluation(), tmp_path / "curve.pdf")


def test_without_costs_and_a_pair_the_choices_are_drawn_side_by_side(tmp_path):
    plot(evaluation(np.eye(3), models=("org/a", "org/b", "org/c")), tmp_path / "choices.svg")

    drawn = words(tmp_path / "choices.svg")
    assert "each single model" in drawn
    assert "its 95 % interval" in drawn


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        plot(evaluation(), tmp_path / "nowhere" / "curve.svg")
