"""Who may use the management listener: holders of its token or of a key, from pages of its own alone."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Collection, Iterable
from hashlib import sha256
from hmac import compare_digest

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from switchpoint.core.errors import RequestError, Unauthenticated
from switchpoint.core.principal import ANONYMOUS, Permission, Principal
from switchpoint.core.protocols import Admission, Gate
from switchpoint.core.query import Query
from switchpoint.dialects.chat import Chat
from switchpoint.gateway.answering import refuse

Header = tuple[bytes, bytes]

OPERATOR = Principal(
    id="management-token",
    tenant="default",
    permissions=frozenset({Permission.PUBLIC, Permission.METRICS, Permission.RECORDS, Permission.ADMIN}),
)
"""Whoever sends the token of the listener."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
READING = frozenset({"GET", "HEAD"})


class ManagementGate:
    """Knows the listener's own token beside the keys of the gateway; nobody is anonymous here.

    A password of HTTP Basic counts as a bearer token, so that a browser can ask for it.
    """

    def __init__(self, keys: Gate, token: str) -> None:
        self._keys = keys
        self._token = _digest(token.encode())

    async def identify(self, headers: Iterable[Header]) -> Principal:
        """Return whose request this is; raises Unauthenticated also where the gateway demands no keys."""
        headers = [_as_bearer(header) for header in headers]
        for name, value in headers:
            if name == b"authorization" and compare_digest(_digest(value.removeprefix(b"Bearer ")), self._token):
                return OPERATOR
        principal = await self._keys.identify(headers)
        if principal.id == ANONYMOUS.id:
            raise Unauthenticated("Send the management token, as a bearer token or as the password of HTTP Basic.")
        return principal

    async def admit(self, principal: Principal, route: str, query: Query) -> Admission:
        """Let a query in as the gateway does; nothing is answered here."""
        return await self._keys.admit(principal, route, query)


class Front:
    """Refuses what a page of somebody else could send through an operator's browser, before anything is asked.

    hosts : names that a request may be for, against DNS rebinding; None is any. What changes something must be JSON,
    which no form of another site can send. A 401 asks browsers for the password.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope["method"], dict(scope["headers"]))
        except RequestError as error:
            await refuse(send, error, Chat())
            return

        async def asking(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                asks = (b"www-authenticate", b'Basic realm="switchpoint", charset="UTF-8"')
                message = {**message, "headers": [*message["headers"], asks]}
            await send(message)

        await self._app(scope, receive, asking)

    def _check(self, method: str, headers: dict[bytes, bytes]) -> None:
        host = host_of(headers.get(b"host", b"").decode("latin-1"))
        if self._hosts is not None and host not in self._hosts:
            raise RequestError(f"Nothing is served under the host {host!r} here. See management.allowed_hosts.")
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if method not in READING and kind != b"application/json":
            raise RequestError("What changes something must be sent with the header 'Content-Type: application/json'.")


def hosts_of(host: str, allowed: Iterable[str]) -> frozenset[str] | None:
    """Return the names that requests may be for; None is any: an address that others reach, and no names are given."""
    names = frozenset(name.lower() for name in allowed)
    if host.lower() in LOOPBACK:
        return names | LOOPBACK
    return names | LOOPBACK | {host.lower()} if names else None


def host_of(value: str) -> str:
    """Return the name of a Host header without its port."""
    if value.startswith("["):
        return value[1:].partition("]")[0].lower()
    return value.partition(":")[0].lower()


def _as_bearer(header: Header) -> Header:
    name, value = header
    scheme, _, given = value.partition(b" ")
    if name != b"authorization" or scheme.lower() not in (b"basic", b"bearer"):
        return header
    if scheme.lower() == b"bearer":
        return name, b"Bearer " + given.strip()
    try:
        return name, b"Bearer " + b64decode(given.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return header


def _digest(value: bytes) -> bytes:
    """Return what is compared in place of a secret: of one length, and nothing of it can be found out by time."""
    return sha256(value).digest()
