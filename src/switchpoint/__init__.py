"""Switchpoint: before each call, the cheapest model that will answer adequately, with the proof.

Importing this imports nothing else: each public name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from switchpoint.assembly.semantic import SemanticRoutes as SemanticRoutes
    from switchpoint.assembly.switchpoint import Switchpoint as Switchpoint
    from switchpoint.core.decision import Decision as Decision
    from switchpoint.core.errors import SwitchpointError as SwitchpointError
    from switchpoint.core.model import Model as Model
    from switchpoint.core.outcome import Outcomes as Outcomes
    from switchpoint.core.query import Query as Query
    from switchpoint.core.record import Record as Record

__version__ = "0.1.0"

_HOMES = {
    "SemanticRoutes": "switchpoint.assembly.semantic",
    "Switchpoint": "switchpoint.assembly.switchpoint",
    "Decision": "switchpoint.core.decision",
    "SwitchpointError": "switchpoint.core.errors",
    "Model": "switchpoint.core.model",
    "Outcomes": "switchpoint.core.outcome",
    "Query": "switchpoint.core.query",
    "Record": "switchpoint.core.record",
}

__all__ = ["Decision", "Model", "Outcomes", "Query", "Record", "SemanticRoutes", "Switchpoint", "SwitchpointError"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'switchpoint' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
