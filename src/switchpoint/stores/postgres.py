"""PostgreSQL: connections for a thread and for an event loop, that come back after the server's death; migrations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from switchpoint.core.errors import ConfigError, StoreUnavailable
from switchpoint.stores.circuit import Circuit

if TYPE_CHECKING:
    from psycopg import AsyncConnection, Connection

T = TypeVar("T")

CONNECTIONS = 4
"""How many one event loop uses at once: more than that wait for each other in the server anyway."""

LOCK = 0x53574954
"""The advisory lock under which replicas migrate, one after the other."""


class Postgres:
    """One PostgreSQL, from any thread and any event loop.

    url : postgresql://user:password@host:port/name or libpq's key=value form; never shown.
    connect_timeout_s : for a connection; statement_timeout_s : for each statement; run_timeout_s : for all of `run`.
    rest_s : for how long nobody tries after a failure. Raises ConfigError for a URL that is none, or without the extra
    `postgres`.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: float = 2.0,
        statement_timeout_s: float = 5.0,
        run_timeout_s: float = 1.0,
        rest_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._conninfo = _conninfo(url, statement_timeout_s)
        self._connect_timeout_s, self._run_timeout_s = connect_timeout_s, run_timeout_s
        self._circuit = Circuit("PostgreSQL", rest_s, clock)
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()
        self._abandoned: set[asyncio.Task[Any]] = set()

    def connect(self) -> Connection:
        """Open a connection for the calling thread, which closes it.

        Each statement commits by itself unless it is inside `with connection.transaction()`. Raises StoreUnavailable;
        tries whether or not others have just failed.
        """
        import psycopg

        try:
            return psycopg.connect(
                **self._conninfo, connect_timeout=max(2, round(self._connect_timeout_s)), autocommit=True
            )
        except psycopg.OperationalError as error:
            raise _unavailable(error) from None  # its text names the address

    @contextmanager
    def connected(self, statement_timeout_s: float | None = None) -> Iterator[Connection]:
        """Open a connection and close it at the end, with another limit for each statement if one is given.

        Raises StoreUnavailable, also when the server goes away in between.
        """
        import psycopg

        with closing(self.connect()) as connection:
            try:
                if statement_timeout_s is not None:
                    connection.execute(f"SET statement_timeout = {round(statement_timeout_s * 1000)}".encode())
                yield connection
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise _unavailable(error) from None

    async def run(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Return what the work returns, done in one transaction; whatever it raises undoes it.

        Raises StoreUnavailable when PostgreSQL does not answer: at once for `rest_s` after a failure. Work that failed
        so may have been committed.
        """
        self._circuit.check()
        task = asyncio.ensure_future(self._transaction(work))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._run_timeout_s)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        if not done:  # a server that hangs also hangs the cancelling, so nobody waits for that
            self._abandon(task)
            raise self._circuit.failed(TimeoutError())
        return task.result()

    def migrate(self, area: str, steps: Sequence[str]) -> None:
        """Apply, in one transaction, the steps (each a script of SQL) that this area of the database has not had yet.

        Steps are numbered from 1 in their order; a released one is never edited, only followed. Replicas that start
        together wait for each other. Raises StoreUnavailable, ConfigError for a database of a newer version.
        """
        with self.connected() as connection:
            migrate(connection, area, steps)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless PostgreSQL answers."""
        await self.run(lambda connection: connection.execute("SELECT 1"))

    async def close(self) -> None:
        """Close the idle connections of the running loop."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.close()

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.add(task)  # an event loop alone does not keep a task alive
        task.add_done_callback(self._abandoned.discard)
        task.cancel()

    async def _transaction(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        import psycopg

        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            pool = self._pools[loop] = _Pool(self._open)
        try:
            async with pool.transaction() as connection:
                result = await work(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
            raise self._trouble(error) from None
        self._circuit.worked()
        return result

    def _trouble(self, error: Exception) -> StoreUnavailable:
        """A server that answers, though not as hoped (a deadlock, a full disk), is not left alone."""
        state = getattr(error, "sqlstate", None)
        answered = state is not None and not state.startswith(("08", "57P"))  # connection lost; shutting down, starting
        return _unavailable(error) if answered else self._circuit.failed(error)

    async def _open(self) -> AsyncConnection:
        import psycopg

        async with asyncio.timeout(self._connect_timeout_s):
            return await psycopg.AsyncConnection.connect(**self._conninfo, autocommit=True)


class _Pool:
    """The connections of one event loop: opened when needed, kept while they work."""

    def __init__(self, open: Callable[[], Awaitable[AsyncConnection]]) -> None:
        self._open = open
        self._idle: list[AsyncConnection] = []
        self._room = asyncio.Semaphore(CONNECTIONS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in a transaction, which is committed at the end or undone by whatever is raised."""
        async with self._room:
            connection = await self._begin()
            try:
                yield connection
                await connection.commit()
            except BaseException:
                await _undo(connection)
                raise
            finally:
                if not connection.closed:
                    self._idle.append(connection)

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _begin(self) -> AsyncConnection:
        """Begin a transaction on an idle connection that is still alive, else on a new one."""
        import psycopg

        while self._idle:
            try:
                return await _begun(self._idle.pop())
            except (psycopg.OperationalError, psycopg.InterfaceError):  # it died while it was idle
                continue
        return await _begun(await self._open())


async def _begun(connection: AsyncConnection) -> AsyncConnection:
    """Begin a transaction; a connection that cannot is closed."""
    try:
        await connection.execute("BEGIN")
    except BaseException:
        await connection.close()
        raise
    return connection


async def _undo(connection: AsyncConnection) -> None:
    """Roll back; a connection that cannot is closed, which comes to the same."""
    import psycopg

    try:
        await connection.rollback()
    except psycopg.Error:
        await connection.close()
    except BaseException:
        await connection.close()
        raise


def migrate(connection: Connection, area: str, steps: Sequence[str]) -> None:
    """Apply the steps of an area that this database has not had; see `Postgres.migrate`."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS switchpoint_migrations (area TEXT NOT NULL, number INTEGER NOT NULL, "
            "applied_at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (area, number))"
        )
        row = connection.execute("SELECT max(number) FROM switchpoint_migrations WHERE area = %s", (area,)).fetchone()
        applied = row[0] if row is not None and row[0] is not None else 0
        if applied > len(steps):
            raise ConfigError(
                f"PostgreSQL: {area} was written by a newer Switchpoint (step {applied}, this one knows {len(steps)}). "
                "Upgrade Switchpoint, or name another database."
            )
        for number, step in enumerate(steps[applied:], applied + 1):
            connection.execute(step.encode())
            connection.execute("INSERT INTO switchpoint_migrations VALUES (%s, %s)", (area, number))


def _conninfo(url: str, statement_timeout_s: float) -> dict[str, Any]:
    """Return libpq's parameters; what the URL itself says of timeouts stands."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise ConfigError("PostgreSQL: its driver is not installed. Run pip install 'switchpoint[postgres]'.") from None
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ConfigError(
            "PostgreSQL: the URL (not shown: it may hold a password) cannot be read. "
            "It looks like postgresql://user:password@host:5432/name."
        ) from None
    timeout_ms = round(statement_timeout_s * 1000)
    options = f"-c statement_timeout={timeout_ms} -c idle_in_transaction_session_timeout={10 * timeout_ms}"
    silent = {"tcp_user_timeout": timeout_ms, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    return {"application_name": "switchpoint", "options": options, **silent, **given}


def refuses_data(error: Exception) -> bool:
    """Say whether the data is at fault (it does not fit its columns or their constraints), not PostgreSQL.

    The text of such an error may quote the data.
    """
    import psycopg

    if isinstance(error, psycopg.ProgrammingError):
        return error.sqlstate is None  # the driver's own: there is no such type in SQL
    return not isinstance(error, psycopg.Error) or isinstance(error, psycopg.DataError | psycopg.IntegrityError)


def _unavailable(error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"PostgreSQL does not answer ({type(error).__name__}).")
