"""`switchpoint models`: the catalog, and what is known of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from switchpoint.cli.output import print_json, print_table, remark
from switchpoint.cli.setup import ConfigOption, configuration

if TYPE_CHECKING:
    from switchpoint.core.model import Model
    from switchpoint.estimators.abilities import Ability


COLUMNS = ("model", "upstream", "input", "cached", "output", "per hour", "context", "can", "samples", "ability", "from")


def command(
    config: ConfigOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models: prices, limits, capabilities, and how able each is said to be."""
    from switchpoint.assembly.parts import catalog_of
    from switchpoint.estimators.abilities import stated_abilities

    settings, source = configuration(config)
    catalog = catalog_of(settings)
    rows = [_row(model, ability) for model, ability in zip(catalog, stated_abilities(catalog.models), strict=True)]
    if json:
        print_json(rows)
        return
    remark(source)
    print_table("Models", COLUMNS, [list(row.values()) for row in rows], caption="USD per million tokens; – is unknown")


def _row(model: Model, ability: Ability) -> dict[str, Any]:
    return {
        "model": model.id,
        "upstream": model.upstream,
        "input_usd_per_mtok": _number(model.input_usd_per_mtok),
        "cached_input_usd_per_mtok": _number(model.cached_input_usd_per_mtok),
        "output_usd_per_mtok": _number(model.output_usd_per_mtok),
        "usd_per_hour": _number(model.usd_per_hour),
        "context_tokens": model.context_tokens,
        "can": None if model.can is None else " ".join(sorted(model.can)),
        "samples": model.samples,
        "ability": ability.value,
        "ability_from": ability.source,
    }


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))
