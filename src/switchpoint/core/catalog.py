"""Catalog: the models that can be called, in a fixed order, and which of them may take a query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from switchpoint.core.errors import ConfigError, UnknownModel
from switchpoint.core.model import Model
from switchpoint.core.query import Query


class Catalog:
    """The models, by id, in the order of the configuration; immutable.

    Raises ConfigError when two models share an id.
    """

    def __init__(self, models: Iterable[Model]) -> None:
        self.models = tuple(models)
        self.ids = tuple(model.id for model in self.models)
        if len(set(self.ids)) < len(self.ids):
            twice = sorted({i for i in self.ids if self.ids.count(i) > 1})
            raise ConfigError(f"models: two models share an id: {', '.join(twice)}. Rename one.")
        self._by_id: Mapping[str, Model] = MappingProxyType({model.id: model for model in self.models})

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def __contains__(self, model: object) -> bool:
        return model in self._by_id

    def __getitem__(self, model: str) -> Model:
        """Return the model with this id; raises UnknownModel, which names the nearest one."""
        try:
            return self._by_id[model]
        except KeyError:
            raise UnknownModel(model, self.ids) from None

    def eligible(self, query: Query) -> list[bool]:
        """Say which models may take the query, n_models long."""
        input_tokens = query.input_tokens
        return [model.exclusion(query, input_tokens) is None for model in self.models]

    def exclusions(self, query: Query) -> dict[str, str]:
        """Say why each excluded model may not take the query; models that may are left out."""
        input_tokens = query.input_tokens
        reasons = ((model.id, model.exclusion(query, input_tokens)) for model in self.models)
        return {model: reason for model, reason in reasons if reason is not None}
