"""The gateway under test: assembled from a configuration, on loopback, with records on a disk."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.core.record import Record
from switchpoint.gateway.serve import serving
from switchpoint.records.reader import RecordReader
from tests.chaos.cells import STRONG
from tests.fake_openai import Behaviour, FakeOpenAI, answering
from tests.stores.servers import free_port

STRONG_TEXT = "It is four."
PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}
USER = {"role": "user", "content": "What is 2 + 2?"}
PATIENT = {"connect_timeout_s": 10, "first_byte_timeout_s": 20, "idle_timeout_s": 20, "total_timeout_s": 30}
HASTY = {"first_byte_timeout_s": 1.0, "idle_timeout_s": 0.5, "total_timeout_s": 2.0}


@contextmanager
def deaf() -> Iterator[int]:
    """Give a port that takes no connection: its queue is full, and nobody empties it."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class Resetting(FakeOpenAI):
    """Resets every connection as soon as it stands."""

    async def _serve(self, reader: Any, writer: Any) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway, and whom it calls."""

    url: str
    switchpoint: Switchpoint
    upstream: FakeOpenAI
    strong: FakeOpenAI

    def records(self) -> dict[str, Record]:
        """Return every record, by the id that the caller gave his request."""
        log = self.switchpoint.log
        assert log is not None
        log.flush()
        return {record.query_id: record for record in RecordReader(log.path).all()}


def configuration(
    folder: Path, models: Mapping[str, str], upstreams: Mapping[str, Any], **more: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a configuration in which each model has a router and a cascade that go on to the strong one.

    models : the upstream of each. A router that takes the cheapest turns to the strong model when the other has failed.
    """
    chain = {name: {"models": [name, STRONG], "verifier": "checks", "threshold": 0.5} for name in models}
    routers = {f"router-of-{name}": {"kind": "cheapest", "models": [name, STRONG]} for name in models}
    cascades = {f"cascade-of-{name}": {"kind": "threshold", **chain[name]} for name in models}
    return {
        "upstreams": dict(upstreams),
        "models": {
            **{name: {"upstream": upstream, "upstream_model": name, **PRICE} for name, upstream in models.items()},
            STRONG: {"upstream": "strong", "upstream_model": STRONG, **PRICE, "output_usd_per_mtok": 10},
        },
        "routers": routers | dict(more.pop("routers", {})),
        "cascades": cascades | dict(more.pop("cascades", {})),
        "engine": {
            "default_model": STRONG,
            "retries": 1,
            "backoff_s": 0.01,
            "retry_share": 1.0,
            "retry_burst": 1000.0,
            **more.pop("engine", {}),
        },
        "records": {"path": str(folder / "records.sqlite"), **more.pop("records", {})},
        "health": {"enabled": False, **more.pop("health", {})},
        **more,
    }


@contextmanager
def running(
    folder: Path, behaviours: Mapping[str, Behaviour], upstream_of: Mapping[str, str] | None = None, **more: Any
) -> Iterator[Gateway]:
    """Run a gateway over an upstream with these behaviours.

    upstream_of : other upstreams than "chaos", by model: "hasty" has short timeouts; "closed", "deaf", "resetting" are
        ports that answer nothing.
    """
    with ExitStack() as stack:
        upstream = stack.enter_context(FakeOpenAI(behaviours))
        strong = stack.enter_context(FakeOpenAI({STRONG: answering(STRONG_TEXT)}))
        resetting = stack.enter_context(Resetting())
        closed, taken = f"http://127.0.0.1:{free_port()}/v1", stack.enter_context(deaf())
        upstreams = {
            "chaos": {"base_url": upstream.base_url, **PATIENT},
            "hasty": {"base_url": upstream.base_url, **HASTY},
            "strong": {"base_url": strong.base_url, **PATIENT},
            "resetting": {"base_url": resetting.base_url},
            "closed": {"base_url": closed},
            "deaf": {"base_url": f"http://127.0.0.1:{taken}/v1", "connect_timeout_s": 0.5},
        }
        models = dict.fromkeys(behaviours, "chaos") | dict(upstream_of or {})
        settings = configuration(folder, models, upstreams, **more)
        switchpoint = stack.enter_context(Switchpoint.of(settings))
        yield Gateway(stack.enter_context(serving(switchpoint.app())), switchpoint, upstream, strong)
