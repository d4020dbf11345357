"""Code: it parses, it passes tests, and what runs it keeps it in."""

import json
import math
import shutil
from pathlib import Path

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.query import Query
from switchpoint.verifiers.code import code, code_check, python_of, read_tests
from switchpoint.verifiers.sandbox import Sandbox

QUERY = Query.of("Write f, which doubles a number.")
FAST = Sandbox(time_s=1, memory_mb=256, file_mb=1)


def answer(text: str) -> Answer:
    return Answer(text=text, body={})


@pytest.fixture
async def sandbox() -> Sandbox:
    """One that this machine can set up; where it cannot, the tests that run code are skipped."""
    try:
        await FAST.check()
    except ConfigError as error:
        pytest.skip(str(error))
    return FAST


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("```python\ndef f(n):\n    return 2 * n\n```\nIt doubles.", None),
        ("Run it so:\n```bash\nf 2\n```\nand\n```py\nf(2)\n```", None),
        ("def f(n):\n    return 2 * n", None),
        ("```python\nx = 1\n", None),
        ("```python\ndef f(n) return\n```", "code that does not parse"),
        ("It doubles its argument.", "code that does not parse"),
        ("```bash\nls\n```", "no code"),
        ("", "no code"),
        ("x = '\ud800'\0", "code that does not parse"),
        ("-" * 90_000 + "1", "code that does not parse"),
        ('x = "\\d"', None),
    ],
)
async def test_the_python_of_an_answer_must_parse(text: str, detail: str | None) -> None:
    verdict = await code(QUERY, answer(text))

    assert (verdict.score, verdict.detail) == (1.0 if detail is None else 0.0, detail)


def test_several_blocks_are_one_program() -> None:
    assert python_of("```python\na = 1\n```\nthen\n```python\nb = a\n```") == "a = 1\n\nb = a\n"


async def test_the_score_is_the_share_of_tests_passed(sandbox: Sandbox) -> None:
    check = code_check(lambda query: ["assert f(2) == 4", "assert f(0) == 0", "assert f(2) == 5"], sandbox)

    verdict = await check(QUERY, answer("def f(n):\n    return 2 * n"))

    assert verdict.score == pytest.approx(2 / 3)
    assert verdict.detail == "1 of 3 tests failed"


async def test_a_query_without_tests_has_no_score_and_bad_code_is_never_run() -> None:
    check = code_check(lambda query: [], FAST)

    assert math.isnan((await check(QUERY, answer("x = 1"))).score)
    assert (await check(QUERY, answer("x ="))).score == 0.0


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(0)",
        "import os; os._exit(0)",
        "while True: pass",
        "import time; time.sleep(60)",
        "x = 'a' * 10**9",
        "open('f', 'wb').write(b'a' * 2 * 10**6)",
        "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)",
        "open('/etc/switchpoint-probe', 'w')",
        "import os; os.remove(os.__file__)",
        "import os; os.chroot('/tmp')",
        "import subprocess; subprocess.run(['mount', '-o', 'remount,rw', '/'], check=True)",
        "raise KeyboardInterrupt",
        "import os\nwhile True: os.write(3, b'x' * 10**6)",
        "x = '\ud800'",
    ],
)
async def test_what_breaks_out_or_does_not_end_does_not_pass(sandbox: Sandbox, program: str) -> None:
    assert not await sandbox.passes(program)


@pytest.mark.parametrize(
    "program",
    [
        "print('x' * 10**6)",
        "open('f', 'w').write('scratch')",
        "import os; assert not os.listdir('/proc') and os.getcwd() == '/tmp' and not os.listdir('/tmp')",
        "import os; assert set(os.environ) <= {'LC_CTYPE'}",
        "import os; assert os.getpid() < 10",
        "import sys; assert sys.stdin.read() == ''",
    ],
)
async def test_ordinary_code_runs_and_finds_nothing_of_the_host(sandbox: Sandbox, program: str) -> None:
    assert await sandbox.passes(program)


async def test_what_one_run_writes_is_gone_in_the_next(sandbox: Sandbox) -> None:
    assert await sandbox.passes("open('/tmp/left', 'w').write('x')")
    assert await sandbox.passes("import os; assert not os.path.exists('/tmp/left')")


async def test_a_machine_that_cannot_set_it_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(ConfigError, match="no command unshare"):
        await FAST.check()


async def test_a_machine_that_forbids_namespaces_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(refusing))

    with pytest.raises(ConfigError, match="Operation not permitted"):
        await FAST.check()


def test_tests_are_read_by_the_text_of_the_query(tmp_path: Path) -> None:
    path = tmp_path / "tests.jsonl"
    path.write_text(json.dumps({"query": QUERY.full_text, "tests": ["assert f(1) == 2"]}) + "\n\n")

    tests = read_tests(path)

    assert tests(QUERY) == ("assert f(1) == 2",)
    assert tests(Query.of("another")) == ()


@pytest.mark.parametrize("line", ["{", "[]", '{"query": 1, "tests": []}', '{"query": "q", "tests": "t"}'])
def test_a_bad_line_of_tests_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tests.jsonl"
    path.write_text("\n" + line)

    with pytest.raises(DataError, match=r"tests\.jsonl:2"):
        read_tests(path)
