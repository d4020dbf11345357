"""Management: what operators are served, on a listener of their own; every path but /health demands a permission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from switchpoint.core.health import Health
from switchpoint.core.principal import Permission
from switchpoint.core.protocols import HealthReport
from switchpoint.dialects.encoding import encode
from switchpoint.gateway.app import Path, application, endpoint
from switchpoint.gateway.caller import read_body
from switchpoint.gateway.endpoints import Endpoints
from switchpoint.gateway.guard import whose
from switchpoint.gateway.management.access import Front, ManagementGate
from switchpoint.gateway.options import convert
from switchpoint.gateway.service import Current, Service
from switchpoint.gateway.wire import read_object


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One configuration that was served: its number since the start, its hash, since when, and what brought it."""

    number: int
    digest: str
    at: datetime
    source: str


class Configuration(Protocol):
    """The configuration that is served, which can be replaced."""

    def shown(self) -> Mapping[str, Any]:
        """Return the resolved configuration, without any secret."""
        ...

    def versions(self) -> Sequence[Version]:
        """Return what was served, the oldest first; the last is served now."""
        ...

    async def reload(self, source: str) -> Version:
        """Read the configuration again and serve it; raises ConfigError or ArtifactError, and then changes nothing."""
        ...

    async def rollback(self, number: int | None = None) -> Version:
        """Serve an earlier version again, the one before by default; raises as `reload` does, or RequestError."""
        ...


class RollbackBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /admin/config/rollback."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Management:
    """The endpoints: ordinary functions of a request."""

    def __init__(self, configuration: Configuration, health: HealthReport) -> None:
        self._configuration = configuration
        self._health = health

    async def config(self, request: Request) -> Response:
        """Show what is served."""
        version = self._configuration.versions()[-1]
        return _json({**_version(version), "config": self._configuration.shown()})

    async def versions(self, request: Request) -> Response:
        """List what was served."""
        return _json({"object": "list", "data": [_version(each) for each in self._configuration.versions()]})

    async def reload(self, request: Request) -> Response:
        """Read the configuration again."""
        return _json(_version(await self._configuration.reload("request")))

    async def rollback(self, request: Request) -> Response:
        """Serve an earlier version."""
        service, _ = whose(request.scope)
        data = await read_body(request.receive, service.max_body_bytes)
        asked = convert(read_object(data or b"{}"), RollbackBody, "rollback")
        return _json(_version(await self._configuration.rollback(asked.version)))

    async def health(self, request: Request) -> Response:
        """Say what was seen of every model's calls lately."""
        seen = self._health()
        return _json({"object": "switchpoint.health", "models": {name: _health(each) for name, each in seen.items()}})

    def paths(self) -> list[Path]:
        """Return every path that these endpoints serve."""
        admin = Permission.ADMIN
        return [
            Path("/admin/config", "GET", admin, endpoint(self.config)),
            Path("/admin/config/versions", "GET", admin, endpoint(self.versions)),
            Path("/admin/config/reload", "POST", admin, endpoint(self.reload)),
            Path("/admin/config/rollback", "POST", admin, endpoint(self.rollback)),
            Path("/admin/health", "GET", admin, endpoint(self.health)),
        ]


def public_paths() -> list[Path]:
    """Return what needs no configuration: whether it runs, and the numbers."""
    own = Endpoints(created=0)
    return [
        Path("/health", "GET", Permission.PUBLIC, endpoint(own.health)),
        Path("/metrics", "GET", Permission.METRICS, endpoint(own.metrics)),
    ]


def create_management_app(
    current: Current, paths: Sequence[Path], token: str, hosts: frozenset[str] | None = None
) -> ASGIApp:
    """Make the application of the management listener.

    current : the service whose keys count and whose numbers are shown.
    paths : beside /health and /metrics. token : who sends it may do everything here.
    hosts : see `Front`.
    """

    def managed() -> Service:
        service = current()
        return replace(service, gate=ManagementGate(service.gate, token))

    return Front(application([*public_paths(), *paths], managed), hosts)


def _version(version: Version) -> dict[str, Any]:
    return {"object": "switchpoint.config", **{name: getattr(version, name) for name in Version.__slots__}}


def _health(health: Health) -> dict[str, Any]:
    return {name: getattr(health, name) for name in Health.__slots__}


def _json(body: Any) -> Response:
    return Response(encode(body), media_type="application/json", headers={"cache-control": "no-store"})
