"""switchpoint.toml as a whole; its sections are the glossary."""

from __future__ import annotations

import hashlib

from switchpoint.config.access import AccessSection
from switchpoint.config.cache import CacheSection
from switchpoint.config.cascades import CascadeSection
from switchpoint.config.management import ManagementSection
from switchpoint.config.observability import ObservabilitySection
from switchpoint.config.resilience import HealthSection
from switchpoint.config.routers import Router
from switchpoint.config.section import Section
from switchpoint.config.serving import EngineSection, GatewaySection, RecordsSection
from switchpoint.config.sessions import SessionsSection
from switchpoint.config.stores import StoresSection
from switchpoint.config.upstreams import EmbeddingsSection, ModelSection, Upstream
from switchpoint.config.verifiers import VerifierSection


class Config(Section):
    """The whole file."""

    upstreams: dict[str, Upstream]
    models: dict[str, ModelSection]
    embeddings: dict[str, EmbeddingsSection] = {}
    routers: dict[str, Router] = {}
    verifiers: dict[str, VerifierSection] = {}
    cascades: dict[str, CascadeSection] = {}
    engine: EngineSection = EngineSection()
    health: HealthSection = HealthSection()
    records: RecordsSection = RecordsSection()
    stores: StoresSection = StoresSection()
    gateway: GatewaySection = GatewaySection()
    access: AccessSection = AccessSection()
    sessions: SessionsSection = SessionsSection()
    management: ManagementSection = ManagementSection()
    cache: CacheSection = CacheSection()
    observability: ObservabilitySection = ObservabilitySection()

    def digest(self) -> str:
        """Return the hash that every record carries: of the resolved configuration, which holds no secret."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]
