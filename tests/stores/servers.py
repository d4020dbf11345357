"""Real servers for tests: a PostgreSQL and a Redis that can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE_S = 60.0
"""How long a server may take to start: a limit, far above what it takes."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def program(name: str) -> str:
    """Return the path of a server's program; skips the test where there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(debian[-1]) if debian else None)
    if found is None:
        pytest.skip(f"{name} is not installed here (Debian's packages are postgresql and redis-server)")
    return found


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


class Server:
    """One server process on a free port of the loopback, with its files in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if self._process is None:
            log = (self.folder / "server.log").open("ab")
            with log:
                self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, user=self.owner())
        end = time.monotonic() + PATIENCE_S
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "server.log").read_text()[-2000:])
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as the machine would: SIGKILL, at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGINT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hang: connections stay open, nothing is answered."""
        assert self._process is not None
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def owner(self) -> str | None:
        """Whose process it is; None is whoever runs the tests."""
        return None

    def _signal(self, signal: signal.Signals) -> None:
        """Send it to the children too: PostgreSQL's go on for a while, and keep its memory from the next one."""
        assert self._process is not None
        pid = self._process.pid
        for each in (*map(int, children(pid)), pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None


class PostgresServer(Server):
    """PostgreSQL, whose only user needs no password."""

    @property
    def url(self) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Make the files of a new cluster."""
        data = self.folder / "data"
        data.mkdir()
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self.folder.chmod(0o755)
            shutil.chown(self.folder, "nobody")
            shutil.chown(data, "nobody")
        command = [program("initdb"), "-D", str(data), "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, user=self.owner())

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
            "fsync": "off",  # what the processes survive, not what the machine does
            "max_connections": 60,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.folder / "data"), *options]

    def owner(self) -> str | None:
        return "nobody" if os.geteuid() == 0 else None

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def renew(self) -> None:
        """Forget everything, and part from whoever is still connected."""
        import psycopg

        others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())
            connection.execute("DROP SCHEMA public CASCADE")  # a new database each would be 300 files each
            connection.execute("CREATE SCHEMA public")


class RedisServer(Server):
    """A Redis that keeps what it holds in memory alone."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        quiet = ["--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        return [program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), *quiet]

    def answers(self) -> bool:
        return self.say(b"PING") == b"+PONG\r\n"

    def renew(self) -> None:
        """Forget everything."""
        self.say(b"FLUSHALL")

    def say(self, command: bytes) -> bytes:
        """Send a command, and return the answer; empty where nobody listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as sock:
                sock.sendall(command + b"\r\n")
                return sock.recv(4096)
        except OSError:
            return b""


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[PostgresServer]:
    program("initdb")
    folder = Path(tempfile.mkdtemp(prefix="switchpoint-postgres-"))  # pytest's own folders are closed to other users
    server = PostgresServer(folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def running_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    program("redis-server")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def postgres_server(running_postgres: PostgresServer) -> PostgresServer:
    """A real PostgreSQL that runs and whose database is empty."""
    running_postgres.start()
    running_postgres.renew()
    return running_postgres


@pytest.fixture
def redis_server(running_redis: RedisServer) -> RedisServer:
    """A real Redis that runs and is empty."""
    running_redis.start()
    running_redis.renew()
    return running_redis
