"""Routes: from the `model` field of a request to the strategy that serves it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import RequestError, UnknownModel, nearest
from switchpoint.core.protocols import Strategy

DECIMAL = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)
ROUTELLM_NAME = re.compile(r"router-(?P<name>.+)-(?P<threshold>[^-]+)")
NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?|inf", re.ASCII | re.IGNORECASE)
SETTING_NAME = re.compile(r"(?P<route>.+):(?P<way>[^:=]+)=(?P<value>[^:=]*)")

WAYS: Mapping[str, float] = {
    "willingness_usd": math.inf,
    "quality": 1.0,
    "within": 1.0,
    "share": 1.0,
    "usd_per_1k": 1e6,
}
"""How a caller may set a router for one request, `ROUTE:WAY=VALUE`, and the highest value; the lowest is 0."""

At = Callable[[str, float], Strategy]
"""Makes the strategy of one router at a way of `WAYS` and its value; raises RequestError where it has no such way."""


class Routes:
    """What a caller may name: `auto`, a route of the configuration, a concrete model, or a router at a setting.

    A setting is written `ROUTE:WAY=VALUE`, such as `auto:quality=0.9` (see `WAYS`), or `router-NAME-THRESHOLD`.

    routes : strategies by name; `auto` names the one that `auto` stands for.
    bypass : makes the strategy that calls one concrete model.
    at_threshold : by router name, makes that router's two-model view at a threshold; RouteLLM's grammar.
    at_setting : by the name of each router that decides by estimates, makes it at another setting.
    """

    def __init__(
        self,
        catalog: Catalog,
        routes: Mapping[str, Strategy],
        auto: str,
        bypass: Callable[[str], Strategy],
        at_threshold: Mapping[str, Callable[[float], Strategy]],
        at_setting: Mapping[str, At] | None = None,
    ) -> None:
        self.catalog = catalog
        self.routes = {"auto": routes[auto], **routes}
        self._models = {model: bypass(model) for model in catalog.ids}
        self._at_threshold = at_threshold
        self._at_setting = dict(at_setting or {})
        if auto in self._at_setting:
            self._at_setting["auto"] = self._at_setting[auto]

    def names(self) -> tuple[str, ...]:
        """Every name that `GET /v1/models` lists: routes first, then models."""
        return (*self.routes, *self._models)

    def resolve(self, name: str) -> Strategy:
        """Return the strategy for a name; a route wins over a model of the same name.

        Raises UnknownModel, which names the nearest known one, or RequestError for a setting that cannot be.
        """
        found = self.routes.get(name) or self._models.get(name)
        if found is not None:
            return found
        setting = SETTING_NAME.fullmatch(name)
        if setting is not None and setting["route"] in (*self.routes, *self._models):
            return self._set(name, **setting.groupdict())
        match = ROUTELLM_NAME.fullmatch(name)
        if match is None or match["name"] not in self._at_threshold:
            raise UnknownModel(name, (*self.names(), *(f"router-{r}-THRESHOLD" for r in self._at_threshold)))
        return self._at_threshold[match["name"]](_threshold(name, match["threshold"]))

    def _set(self, name: str, route: str, way: str, value: str) -> Strategy:
        """Return the strategy of a route at a way and value."""
        if route not in self._at_setting:
            known = ", ".join(self._at_setting) or "none"
            raise RequestError(f"{route!r} in {name!r} does not decide by estimates. These do: {known}.", param="model")
        if way not in WAYS:
            known = ", ".join(WAYS)
            raise RequestError(
                f"Unknown setting {way!r} in {name!r}.{nearest(way, WAYS)} Known: {known}.", param="model"
            )
        number = float(value) if NUMBER.fullmatch(value) else math.nan
        if not 0 <= number <= WAYS[way]:
            raise RequestError(
                f"{way} in {name!r} must be a number in [0, {WAYS[way]:g}]. Got {value!r}.", param="model"
            )
        return self._at_setting[route](way, number)


def _threshold(name: str, text: str) -> float:
    threshold = float(text) if DECIMAL.fullmatch(text) else float("nan")
    if not 0.0 <= threshold <= 1.0:
        raise RequestError(f"The threshold of {name!r} must be a number in [0, 1]. Got {text!r}.", param="model")
    return threshold
