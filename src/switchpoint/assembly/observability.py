"""What is told of the traffic: metrics, traces and lines of the log, as a configuration wants them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from switchpoint.config.observability import ObservabilitySection
from switchpoint.config.schema import Config
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ConfigError
from switchpoint.core.model import Model
from switchpoint.core.protocols import Sink
from switchpoint.records.claims import Claims
from switchpoint.records.lines import log_request
from switchpoint.records.semantics import provider_of
from switchpoint.records.telemetry import Metrics
from switchpoint.records.watching import Callee

if TYPE_CHECKING:
    from switchpoint.records.tracing import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables of OpenTelemetry's own, any of which turns traces on."""

PORTS = {"http": 80, "https": 443}

PASSWORDS = re.compile(r"(?<=:)[^:@/\s]+(?=@)|(?<=password=)[^&\s]+")
"""In the URL of a store, or libpq's key=value form of one."""


class Observability:
    """Metrics, and the sinks of one configuration.

    trace_share : of the traces that begin here, so many are sampled, in [0, 1]; None where no spans are made.
    after : whose place this takes: its counts and its exporter go on here, and know the models of both.
    """

    def __init__(self, config: Config, catalog: Catalog, after: Observability | None = None) -> None:
        section = config.observability
        self.callees: dict[str, Callee] = {} if after is None else after.callees
        self.callees.update((model.id, _callee(config, model)) for model in catalog)
        counting = _counting(self.callees) if after is None else (after.metrics, after.claims)
        self.metrics: Metrics = counting[0]
        self.claims: Claims = counting[1]
        self._tracing: Tracing | None = _tracing(section, self.callees) if after is None else after._tracing
        self.trace_share = None if self._tracing is None else section.trace_share
        self.sinks = tuple(self._sinks(section))

    def close(self) -> None:
        """Export what waits."""
        if self._tracing is not None:
            self._tracing.close()

    def _sinks(self, section: ObservabilitySection) -> Iterator[Sink]:
        yield self.metrics
        yield self.claims
        if self._tracing is not None:
            yield self._tracing
        if section.log_requests:
            yield log_request


def secrets_of(config: Config) -> Iterator[str]:
    """Yield the secrets that a configuration knows of: keys of upstreams, what its headers hold, its own secrets."""
    own = (config.access.admin_key_env, config.management.token_env, config.sessions.secret_env)
    names = [name for name in own if name is not None]
    for section in (*config.upstreams.values(), *config.embeddings.values()):
        name = getattr(section, "api_key_env", None)
        names += [*getattr(section, "api_keys_env", ()), *([] if name is None else [name])]
        yield from getattr(section, "headers", {}).values()
    for variable in (config.stores.database_url_env, config.stores.redis_url_env):
        for found in PASSWORDS.findall(os.environ.get(variable, "")):
            yield from (found, unquote(found))
    yield from (os.environ.get(name, "") for name in names)


def _counting(callees: dict[str, Callee]) -> tuple[Metrics, Claims]:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return Metrics(registry, callees), Claims(registry, callees)


def _tracing(section: ObservabilitySection, callees: dict[str, Callee]) -> Tracing | None:
    """Return where spans go; None where nobody said where to."""
    endpoint = None
    if section.otlp_endpoint_env is not None:
        endpoint = os.environ.get(section.otlp_endpoint_env)
        if not endpoint:
            raise ConfigError(
                f"observability.otlp_endpoint_env: the environment variable {section.otlp_endpoint_env!r} is not set. "
                "Set it to the collector's address, such as http://127.0.0.1:4318."
            )
        endpoint = endpoint.rstrip("/") + "/v1/traces"
    elif not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    try:
        from switchpoint.records.tracing import Tracing, exporter_to
    except ImportError as error:
        raise ConfigError(f"Traces need the extra 'otel': pip install 'switchpoint[otel]' ({error.name}).") from None
    return Tracing(exporter_to(endpoint), callees, share=section.trace_share, version=section.gen_ai_version)


def _callee(config: Config, model: Model) -> Callee:
    base_url = getattr(config.upstreams[model.upstream], "base_url", None)
    url = urlsplit(base_url if isinstance(base_url, str) else "")
    provider = provider_of(url.hostname, model.upstream)
    return Callee(model.upstream, provider, model.upstream_model, url.hostname, url.port or PORTS.get(url.scheme))
