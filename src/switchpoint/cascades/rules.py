"""Rules: given what is believed, which model to ask next, or none. All of them for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable

from switchpoint.cascades.belief import Posterior
from switchpoint.core.query import BoolArray, FloatArray, IntArray

STOP = -1

Rule = Callable[[Posterior, BoolArray, BoolArray, FloatArray], IntArray]
"""From (posterior, called, eligible, price), shapes (n_queries, n_models), to the column to call next, or `STOP`.

price : of calling each model, in quality: cost_usd / willingness_usd + latency_s * its price. On `STOP` the answer in
hand of the highest posterior mean is given; with none in hand a rule never stops. It never calls a model that was
called or is not eligible. Pure, and a query's choice does not depend on the others.
"""
