"""Threat 6: a way around, or into, whatever looks at keys."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.testclient import TestClient

from switchpoint import Switchpoint
from switchpoint.assembly.management import Managed
from switchpoint.control.keys import new_secret
from switchpoint.core.principal import Permission
from switchpoint.gateway.guard import Guard
from tests.security.conftest import ACME, OTHER, Stand, asking
