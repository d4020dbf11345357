"""`switchpoint serve`: the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from switchpoint.cli.output import remark
from switchpoint.cli.setup import ConfigOption, configuration

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from switchpoint.assembly.switchpoint import Switchpoint


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
    with Switchpoint(settings) as switchpoint:
        remark(source)
        remark(f"Routes: {', '.join(switchpoint.routes.routes)}; auto is {switchpoint.auto}.")
        serve(
            gateway_of(switchpoint),
            host=gateway.host if host is None else host,
            port=gateway.port if port is None else port,
        )


def gateway_of(switchpoint: Switchpoint) -> Starlette:
    """Return the gateway's application over a wired Switchpoint, with its records pages."""
    raise typer.Exit
