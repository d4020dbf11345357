"""The configuration that a command works with: the one named, else ./switchpoint.toml, else a useful default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from switchpoint.config.schema import Config

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file; ./switchpoint.toml if there is one.")
]

HERE = Path("switchpoint.toml")


def configuration(path: Path | None) -> tuple[Config, str]:
    """Return a configuration and one sentence on where it comes from; raises ConfigError."""
    from switchpoint.config.read import load, parse

    if path is not None or HERE.exists():
        found = path or HERE
        return load(found), f"Configuration: {found}."
    if os.environ.get("OPENAI_API_KEY"):
        return parse(openai_pair(os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1")), (
            "No configuration file: OPENAI_API_KEY is set, so gpt-5-mini and gpt-5 are called with it. "
            "`auto` sends the harder half of the traffic to gpt-5; unproven until you evaluate it on your own outcomes."
        )
    from switchpoint.demo.configuration import recorded

    return parse(recorded()), (
        "No configuration file and no OPENAI_API_KEY: the recorded models of the demo answer, and only its questions. "
        "Write a switchpoint.toml to call your own."
    )


def sections(path: Path | None, *names: str) -> Config:
    """Return these sections of the configuration, as they are without a file; raises ConfigError."""
    from switchpoint.config.read import NOBODY, load_sections
    from switchpoint.config.schema import Config

    if path is not None or HERE.exists():
        return load_sections(path or HERE, names)
    return Config.model_validate(NOBODY)


def openai_pair(base_url: str) -> dict[str, Any]:
    """Return the configuration of a cheap and a strong model of OpenAI's."""
    can = ["tools", "vision", "json_schema"]
    return {
        "upstreams": {"openai": {"base_url": base_url, "api_key_env": "OPENAI_API_KEY"}},
        "models": {
            "gpt-5-mini": {"upstream": "openai", "tier": "weak", "can": can},
            "gpt-5": {"upstream": "openai", "tier": "strong", "can": can},
        },
    }
