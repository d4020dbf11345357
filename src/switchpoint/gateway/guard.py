"""Guard: stands before every path, finds out who asks, and lets nobody through who lacks the path's permission."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from switchpoint.core.errors import Forbidden
from switchpoint.core.principal import Permission, Principal
from switchpoint.dialects.chat import Chat
from switchpoint.dialects.dialect import Dialect
from switchpoint.gateway.answering import refuse
from switchpoint.gateway.limits import check_encoding
from switchpoint.gateway.service import Current, Service

SCOPE_KEY = "switchpoint"


class Guard:
    """Serves one path to those with the permission; the path finds (service, principal) in its scope.

    A path that demands `Permission.PUBLIC` asks nobody who they are: its principal is None.
    """

    def __init__(self, path: ASGIApp, permission: Permission, current: Current, dialect: Dialect | None = None) -> None:
        self.path = path
        self.permission = permission
        self._current = current
        self._dialect = dialect or Chat()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        service, principal = self._current(), None
        try:
            if self.permission is not Permission.PUBLIC:
                principal = await service.gate.identify(scope["headers"])
                check(principal, self.permission)
            check_encoding(scope["headers"])
        except Exception as error:
            await refuse(send, error, self._dialect)
            return
        scope[SCOPE_KEY] = service, principal
        await self.path(scope, receive, send)


def check(principal: Principal, permission: Permission) -> None:
    """Raise Forbidden unless the principal has the permission."""
    if permission not in principal.permissions:
        raise Forbidden(f"This key may not do that: the permission {permission.value!r} is missing. Use another key.")


def whose(scope: Scope) -> tuple[Service, Principal]:
    """Return the service of a request and its principal, as the guard found them."""
    service, principal = scope[SCOPE_KEY]
    return service, principal
