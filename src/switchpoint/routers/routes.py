"""Routes: from the `model` field of a request to the strategy that serves it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import RequestError, UnknownModel
from switchpoint.core.protocols import Strategy

DECIMAL = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)
ROUTELLM_NAME = re.compile(r"router-(?P<name>.+)-(?P<threshold>[^-]+)")


class Routes:
    """What a caller may name: `auto`, a route of the configuration, a concrete model, or `router-NAME-THRESHOLD`.

    routes : strategies by name; `auto` names the one that `auto` stands for.
    bypass : makes the strategy that calls one concrete model.
    at_threshold : by router name, makes that router's two-model view at a threshold; RouteLLM's grammar.
    """

    def __init__(
        self,
        catalog: Catalog,
        routes: Mapping[str, Strategy],
        auto: str,
        bypass: Callable[[str], Strategy],
        at_threshold: Mapping[str, Callable[[float], Strategy]],
    ) -> None:
        self.catalog = catalog
        self.routes = {"auto": routes[auto], **routes}
        self._models = {model: bypass(model) for model in catalog.ids}
        self._at_threshold = at_threshold

    def names(self) -> tuple[str, ...]:
        """Every name that `GET /v1/models` lists: routes first, then models."""
        return (*self.routes, *self._models)

    def resolve(self, name: str) -> Strategy:
        """Return the strategy for a name; a route wins over a model of the same name.

        Raises UnknownModel, which names the nearest known one, or RequestError for a threshold that is not in [0, 1].
        """
        found = self.routes.get(name) or self._models.get(name)
        if found is not None:
            return found
        match = ROUTELLM_NAME.fullmatch(name)
        if match is None or match["name"] not in self._at_threshold:
            raise UnknownModel(name, (*self.names(), *(f"router-{r}-THRESHOLD" for r in self._at_threshold)))
        return self._at_threshold[match["name"]](_threshold(name, match["threshold"]))


def _threshold(name: str, text: str) -> float:
    threshold = float(text) if DECIMAL.fullmatch(text) else float("nan")
    if not 0.0 <= threshold <= 1.0:
        raise RequestError(f"The threshold of {name!r} must be a number in [0, 1]. Got {text!r}.", param="model")
    return threshold
