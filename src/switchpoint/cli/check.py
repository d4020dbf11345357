"""`switchpoint check`: whether the configuration is right, and what it means."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from switchpoint.cli.output import print_json, print_table, remark
from switchpoint.cli.setup import ConfigOption, configuration

SAID = {True: "yes", False: "no", None: "not used"}


def command(
    config: ConfigOption = None,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved configuration.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a configuration: every fault with its place, or what it will do. No model is called, nothing is written."""
    from switchpoint.assembly.access import keys_of
    from switchpoint.assembly.switchpoint import Switchpoint

    settings, source = configuration(config)
    quiet = settings.model_copy(update={"records": settings.records.model_copy(update={"enabled": False})})
    with Switchpoint(quiet) as switchpoint:
        engine = switchpoint.engine
        unpriced = [m.id for m in switchpoint.catalog if m.expected_cost_usd(1) is None and m.usd_per_hour is None]
        facts = {
            "config": settings.digest(),
            "artifact": engine.artifact,
            "models": list(switchpoint.catalog.ids),
            "routes": list(switchpoint.routes.routes),
            "auto": switchpoint.auto,
            "default_model": engine.default_model,
            "baseline_model": engine.baseline_model,
            "models_without_price": unpriced,
            "records": switchpoint.stores.record_database(settings.records).name if settings.records.enabled else None,
            "prompts_stored": settings.records.store_prompts,
            "keys_required": settings.access.required,
            "keys_in_configuration": [key.id for key in keys_of(settings.access, os.environ)],
            "stores_answer": asyncio.run(switchpoint.stores.answering()),
        }
    if json:
        print_json({**facts, "resolved": settings.model_dump(mode="json")} if show else facts)
        return
    remark(source)
    print_table("The configuration is right", ["what", "value"], [[k, _shown(v)] for k, v in facts.items()])
    if show:
        print(settings.model_dump_json(indent=2))


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {SAID[answers]}" for name, answers in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value
