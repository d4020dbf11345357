"""Threat 7: code of somebody else's, by way of a dependency, an artifact or the package itself."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.errors import ArtifactError
from switchpoint.estimators import artifact
from switchpoint.estimators.bundled import SHIPPED

LOCKS = sorted(Path("requirements").glob("*.txt"))
UNLOCKED = {"torch.txt"}
"""Not locked by hash: PyTorch has another build for every machine. Serving needs none of it."""

UNSAFE_MODULES = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "cloudpickle"}
RUNS_CODE = Path("src/switchpoint/verifiers/confine.py")
"""Runs the code of an answer, for the verifier that does so, confined and in a process of its own."""
UNSAFE_CALLS = {"eval", "exec", "__import__"}
IMPORT_ALL = """
import importlib, pkgutil, sys
def deny(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system"):
        raise RuntimeError(f"{event} {arguments}")
sys.addaudithook(deny)
import switchpoint
assert "site-packages" not in switchpoint.__file__ and "src" not in switchpoint.__file__, switchpoint.__file__
names = [m.name for m in pkgutil.walk_packages(switchpoint.__path__, "switchpoint.") if "__main__" not in m.name]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be published."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet", "-w"]
    subprocess.run([*command, str(folder)], check=True, capture_output=True)
    return next(folder.glob("switchpoint-*.whl"))


def test_the_wheel_holds_the_package_and_nothing_that_runs_at_the_start_of_python(wheel: Path):
    """Threat 7: no .pth file, no sitecustomize, no data scripts, no compiled code, nothing beside the package."""
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0].split("-")[0] for name in names} == {"switchpoint"}
    assert not [name for name in names if re.search(r"\.pth$|sitecustomize|usercustomize|\.data/|\.so$|\.pkl$", name)]


def test_importing_all_of_it_asks_no_network_and_starts_no_program(wheel: Path, tmp_path: Path):
    """Threat 7: every module of the built wheel, in a Python that fails at the first such call."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 300


def unsafe(source: Path) -> list[str]:
    """What in a module reads, or could read, code out of data."""
    found = []
    for node in ast.walk(ast.parse(source.read_text())):
        imported = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [name for name in imported if name.split(".")[0] in UNSAFE_MODULES]
        if isinstance(node, ast.Call) and source != RUNS_CODE:
            found += [node.func.id] if isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS else []
            found += [word.arg for word in node.keywords if word.arg == "allow_pickle"]
    return found


def test_nothing_reads_what_could_run_code():
    """Threat 7: no pickle in any form, no evaluated text, in any module."""
    found = {str(source): unsafe(source) for source in Path("src").rglob("*.py")}

    assert len(found) > 300 and not [place for place, what in found.items() if what]


def object_array() -> bytes:
    """An array of Python objects, as numpy writes it: with pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"any": "object"}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "artifact"))


def replace_tensors(folder: Path, data: bytes, *, sign: bool) -> None:
    (folder / artifact.TENSORS).write_bytes(data)
    if sign:
        manifest = json.loads((folder / artifact.MANIFEST).read_text())
        manifest["digests"][artifact.TENSORS] = hashlib.sha256(data).hexdigest()
        (folder / artifact.MANIFEST).write_text(json.dumps(manifest))


def test_an_artifact_of_python_objects_is_refused_whatever_its_digest_says(folder: Path):
    """Threat 7: the format cannot hold objects, so there is nothing to switch off."""
    replace_tensors(folder, object_array(), sign=True)

    with pytest.raises(ArtifactError, match="no tensors in it"):
        artifact.read(folder)


@pytest.mark.parametrize("name", ["tensors", "vocabulary"])
def test_an_artifact_with_one_byte_changed_is_refused(folder: Path, name: str):
    """Threat 7."""
    path = folder / (artifact.TENSORS if name == "tensors" else "vocab.txt")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(ArtifactError, match="damaged"):
        artifact.read(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "sub/dir"])
def test_an_artifact_names_no_file_outside_of_its_folder(folder: Path, name: str):
    """Threat 7."""
    manifest = json.loads((folder / artifact.MANIFEST).read_text())
    manifest["digests"][name] = "0" * 64
    (folder / artifact.MANIFEST).write_text(json.dumps(manifest))

    with pytest.raises(ArtifactError, match="not a file of the folder"):
        artifact.read(folder)


def requirements(lock: Path) -> list[str]:
    """The logical lines of a lock file."""
    text = re.sub(r"\\\n", " ", lock.read_text())
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.name not in UNLOCKED], ids=lambda lock: lock.name)
def test_every_line_of_a_lock_file_is_one_version_with_its_hashes(lock: Path):
    """Threat 7: no other address, no range, no line without a hash."""
    lines = requirements(lock)

    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w.\-\[\],]+==[\w.!+]+( *;[^-]*)?( +--hash=sha256:[0-9a-f]{64})+\s*", line), line[:80]


def test_what_is_installed_by_make_is_checked_against_the_hashes():
    """Threat 7."""
    installs = [line for line in Path("Makefile").read_text().splitlines() if "install --quiet" in line]

    locked = [line for line in installs if "-r requirements/" in line and "torch" not in line]
    assert locked and all("--require-hashes" in line for line in locked)


@pytest.mark.parametrize("place", [*LOCKS, Path("pyproject.toml")], ids=lambda place: place.name)
def test_litellm_is_no_dependency(place: Path):
    """Threat 7: two of its releases carried a stolen-credentials payload in March 2026."""
    assert "litellm" not in place.read_text().lower()


def test_the_bill_of_materials_has_every_locked_version_with_its_hashes():
    """Threat 7: `make sbom`, from the lock of what serving needs."""
    command = [sys.executable, "requirements/sbom.py", "requirements/core.txt"]
    bill = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    locked = {line.split()[0].split("[")[0].lower() for line in requirements(Path("requirements/core.txt"))}
    found = {f"{each['name']}=={each['version']}" for each in bill["components"]}
    hashes = [file["hashes"] for each in bill["components"] for file in each["externalReferences"]]
    assert {re.sub(r"[-_.]+(?=[a-z])", "-", line.split("==")[0]) for line in locked} == {
        each.split("==")[0] for each in found
    }
    assert len(hashes) == Path("requirements/core.txt").read_text().count("--hash=sha256:")
