"""`switchpoint serve`: the gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from switchpoint.cli.output import remark
from switchpoint.cli.setup import ConfigOption, configuration


def command(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the configuration's if not given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
) -> None:
    """Serve an OpenAI-compatible endpoint that routes."""
    from switchpoint.assembly.switchpoint import Switchpoint
    from switchpoint.gateway.serve import serve

    settings, source = configuration(config)
    gateway = settings.gateway
    switchpoint = Switchpoint(settings)

    def ready(address: str) -> None:
        remark(source)
        remark(f"Models: {', '.join(switchpoint.catalog.ids)}. Default: {switchpoint.engine.default_model}.")
        remark(f"Routes: {', '.join(switchpoint.routes.routes)}. `auto` is {switchpoint.auto}.")
        if switchpoint.log is not None:
            kept = "with" if settings.records.store_prompts else "without"
            remark(f"Records: {address}/records, {kept} prompts, in {switchpoint.log.path}.")
        remark(f"Serving {address}/v1: give it to any OpenAI client as base_url. Stop with Ctrl-C.")

    serve(
        switchpoint.app(),
        host=gateway.host if host is None else host,
        port=gateway.port if port is None else port,
        ready=ready,
        close=switchpoint.close,
    )
