"""The commands, and what every one of them does with an error: one line that says what to do, and an exit code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

import switchpoint
from switchpoint.cli import (
    check,
    data,
    demo,
    evaluate,
    explain,
    keys,
    models,
    records,
    report,
    route,
    routes,
    serve,
    train,
    tune,
)
from switchpoint.cli.output import remark
from switchpoint.core.errors import ConfigError, SwitchpointError, surface

app = typer.Typer(
    help="Before each call, find the cheapest model that will answer adequately, and prove what that saved.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for name, module in {
    "route": route,
    "routes": routes,
    "serve": serve,
    "demo": demo,
    "evaluate": evaluate,
    "report": report,
    "tune": tune,
    "records": records,
    "explain": explain,
    "models": models,
    "check": check,
}.items():
    app.command(name)(module.command)
app.add_typer(train.app, name="train")
app.add_typer(data.app, name="data")
app.add_typer(keys.app, name="keys")
app.add_typer(keys.budget, name="budget")


@app.callback(invoke_without_command=True)
def options(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Options of every command."""
    if version:
        print(switchpoint.__version__)
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code: 0 done, 1 failed, 2 wrong usage or configuration.

    What is not a command is a prompt to route: `switchpoint "…"` is `switchpoint route "…"`.
    """
    arguments = list(arguments)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in _commands():
        arguments.insert(0, "route")
    try:
        code = app(arguments, standalone_mode=False)
    except SwitchpointError as error:
        if os.environ.get("SWITCHPOINT_DEBUG"):
            raise
        return _fail(error)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except typer.TyperException as error:
        remark(f"switchpoint: {error} See --help.")
        return 2
    return code if isinstance(code, int) else 0


def _commands() -> set[str]:
    named = {command.name for command in app.registered_commands}
    return {str(name) for name in named | {group.name for group in app.registered_groups}}


def _fail(error: SwitchpointError) -> int:
    lines = error.problems if isinstance(error, ConfigError) and len(error.problems) > 1 else (str(error),)
    for line in lines:
        remark(f"switchpoint: {line}")
    return surface(type(error)).exit_code
