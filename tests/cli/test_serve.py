"""`switchpoint serve`: two listeners in one process, which begin and end together."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from switchpoint.cli.app import run

CONFIG = """
[upstreams.fake]
kind = "fake"
script = { mini = ["from mini"] }
latency_s = 0.4
[models.mini]
upstream = "fake"
[gateway]
auto = "cheapest"
"""
QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]


class Process:
    """A gateway of its own, and what it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "switchpoint.cli", "serve", "--port", "0", *arguments]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
        self.popen = subprocess.Popen(command, cwd=folder, env=clean, stderr=subprocess.PIPE, text=True)
        self.said = ""
        self._line = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, pattern: str) -> str:
        """Return what the first group matches, once it was said."""
        with self._line:
            assert self._line.wait_for(lambda: re.search(pattern, self.said), 60), self.said
            found = re.search(pattern, self.said)
            assert found is not None
            return found[1]

    def end(self) -> int:
        code = self.popen.wait(30)
        self._reader.join()
        return code

    def _read(self) -> None:
        assert self.popen.stderr is not None
        with self.popen.stderr:
            for line in self.popen.stderr:
                with self._line:
                    self.said += line
                    self._line.notify_all()


@contextmanager
def served(folder: Path, config: str = CONFIG) -> Iterator[Process]:
    (folder / "switchpoint.toml").write_text(config)
    process = Process(folder)
    try:
        yield process
    finally:
        process.popen.kill()
        process.end()


def addresses(process: Process) -> tuple[str, str]:
    main = process.wait_for(r"Serving (\S+)/v1:")
    return main, process.wait_for(r"Management: ([^,]+),")


def test_callers_and_operators_are_served_apart_and_end_together(tmp_path: Path):
    with served(tmp_path) as process:
        main, management = addresses(process)
        bearer = {"authorization": "Bearer " + process.wait_for(r"any user: (\S+)")}

        assert httpx2.get(f"{main}/metrics").status_code == 404
        assert httpx2.get(f"{management}/metrics").status_code == 401
        assert httpx2.get(f"{management}/records", headers=bearer).status_code == 200
        with httpx2.stream(
            "POST", f"{main}/v1/chat/completions", json={"messages": QUESTION, "stream": True}
        ) as answer:
            os.kill(process.popen.pid, signal.SIGTERM)
            assert "".join(answer.iter_text()).endswith("data: [DONE]\n\n")

        assert process.end() == 0
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{management}/health")


def test_a_hangup_reads_the_file_again_and_a_broken_one_changes_nothing(tmp_path: Path):
    with served(tmp_path) as process:
        main, management = addresses(process)
        httpx2.get(f"{management}/health")  # it is there once signals are listened to
        (tmp_path / "switchpoint.toml").write_text(CONFIG.replace("from mini", "anew"))
        os.kill(process.popen.pid, signal.SIGHUP)
        process.wait_for(r"(version 2)")
        (tmp_path / "switchpoint.toml").write_text("[models")
        os.kill(process.popen.pid, signal.SIGHUP)
        process.wait_for(r"(not reloaded)")
        answer = httpx2.post(f"{main}/v1/chat/completions", json={"messages": QUESTION}).json()

    assert answer["choices"][0]["message"]["content"] == "anew"


def test_without_management_there_is_one_listener(tmp_path: Path):
    with served(tmp_path, CONFIG + "[management]\nenabled = false\n") as process:
        process.wait_for(r"(Serving)")

        assert "Management" not in process.said


@pytest.mark.parametrize("token", ["", "too-short"])
def test_a_token_that_is_no_secret_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MANAGEMENT_TOKEN", token)
    Path("switchpoint.toml").write_text(CONFIG + '[management]\ntoken_env = "MANAGEMENT_TOKEN"\n')

    assert run(["serve", "--port", "0"]) == 2
    assert "must hold at least 16 characters" in capsys.readouterr().err
