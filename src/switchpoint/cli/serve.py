"""`switchpoint serve`: the gateway, and beside it the management listener."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from switchpoint.cli.output import remark
from switchpoint.cli.setup import HERE, ConfigOption, configuration

if TYPE_CHECKING:
    from logging.handlers import QueueListener

    from switchpoint.assembly.switchpoint import Switchpoint
    from switchpoint.config.management import ManagementSection
    from switchpoint.config.schema import Config


def command(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the configuration's if not given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one, for management too.")] = None,
    management_port: Annotated[int | None, typer.Option(help="Port of the management listener.")] = None,
    log_format: Annotated[Literal["text", "json"] | None, typer.Option(help="Form of the log's lines.")] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="What is logged at least.")
    ] = None,
) -> None:
    """Serve an OpenAI-compatible endpoint that routes."""
    from switchpoint.assembly.access import check_exposed
    from switchpoint.assembly.inputs import arrival_limits
    from switchpoint.assembly.management import beside, served, token_of
    from switchpoint.assembly.reload import Live
    from switchpoint.assembly.switchpoint import Switchpoint
    from switchpoint.gateway.listening import opened
    from switchpoint.gateway.serve import serve

    settings, source = configuration(config)
    gateway, management = settings.gateway, settings.management
    path = _file(config)
    token = token_of(management)
    check_exposed(settings.access, gateway.host if host is None else host)
    switchpoint = Switchpoint(settings)
    live = Live(switchpoint, None if path is None else lambda: configuration(config)[0])
    with ExitStack() as stack:
        stack.callback(_log(settings, log_format, log_level).stop)
        stack.callback(lambda: live.switchpoint.close())
        if path is not None:  # one that comes before there is a loop to reload on must not end the process
            stack.callback(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_IGN))
        listener, at = None, None
        if management.enabled:
            usual = 0 if port == 0 else management.port
            own_port = usual if management_port is None else management_port
            listener, at = stack.enter_context(opened(management.host, own_port))

        def ready(address: str) -> None:
            remark(source)
            _tell(switchpoint, address)
            if at is not None:
                _tell_management(switchpoint, management, at, token)
            remark(f"Serving {address}/v1: give it to any OpenAI client as base_url. Stop with Ctrl-C.")

        serve(
            served(live, beside(live, token, listener, path)),
            host=gateway.host if host is None else host,
            port=gateway.port if port is None else port,
            ready=ready,
            linger_s=gateway.linger_s,
            grace_s=gateway.grace_s,
            limits=arrival_limits(gateway),
        )


def _log(
    settings: Config,
    form: Literal["text", "json"] | None,
    level: Literal["debug", "info", "warning", "error"] | None,
) -> QueueListener:
    """Begin to log as the options say, or else as the configuration does."""
    from switchpoint.assembly.observability import secrets_of
    from switchpoint.records.lines import configure

    section = settings.observability
    return configure(form or section.log_format, level or section.log_level, secrets=secrets_of(settings))


def _file(config: Path | None) -> Path | None:
    """Return the file that can be read again; a default configuration has none."""
    return config or (HERE if HERE.exists() else None)


def _tell(switchpoint: Switchpoint, address: str) -> None:
    remark(f"Models: {', '.join(switchpoint.catalog.ids)}. Default: {switchpoint.engine.default_model}.")
    remark(f"Routes: {', '.join(switchpoint.routes.routes)}. `auto` is {switchpoint.auto}.")


def _tell_management(switchpoint: Switchpoint, section: ManagementSection, at: str, token: str) -> None:
    """Say where operators are served, and the token that was made for this start: nobody else is told it."""
    if switchpoint.log is not None:
        kept = "with" if switchpoint.config.records.store_prompts else "without"
        remark(f"Records: {at}/records, {kept} prompts, in {switchpoint.log.database.name}.")
    remark(f"Management: {at}, metrics too, {_way_in(switchpoint, section, token)}")


def _way_in(switchpoint: Switchpoint, section: ManagementSection, token: str) -> str:
    if section.token_env is not None:
        return f"with the token in {section.token_env}"
    if switchpoint.config.access.required:
        return (
            "with a key that has the permission: switchpoint keys create NAME --permission metrics --permission records"
        )
    return f"with this token, as bearer token or password of any user: {token}"
