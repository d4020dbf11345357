"""Import time and the size of the core install, measured in a fresh virtual environment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import ms

ROOT = Path(__file__).parent.parent


def measure() -> list[dict[str, str]]:
    return [import_time(), install_size(), artifact_size()]


def import_time() -> dict[str, str]:
    """Seconds of `import switchpoint` beyond those of starting Python, and beside `import numpy`."""
    codes = {"nothing": "pass", "switchpoint": "import switchpoint", "numpy": "import numpy"}
    seconds: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(15):
        for name, code in codes.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds[name].append(time.perf_counter() - start)
    start_s = np.median(seconds["nothing"])
    ours, numpy = (np.median(seconds[name]) - start_s for name in ("switchpoint", "numpy"))
    return {"what": "import switchpoint", "value": ms(ours), "beside": f"import numpy: {ms(numpy)}"}


def install_size() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        run = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([sys.executable, "-m", "venv", folder], **run)
        packages = next(Path(folder).glob("lib/python*/site-packages"))
        before = size_mb(packages)
        pip = f"{folder}/bin/pip"
        subprocess.run([pip, "install", "--require-hashes", "-r", str(ROOT / "requirements" / "core.txt")], **run)
        subprocess.run([pip, "install", "--no-deps", str(ROOT)], **run)
        added = size_mb(packages) - before
        numpy = sum(size_mb(path) for path in packages.glob("numpy*"))
    beside = f"numpy alone: {numpy:.0f} MB"
    return {"what": "core install, all dependencies", "value": f"{added:.0f} MB", "beside": beside}


def artifact_size() -> dict[str, str]:
    folder = ROOT / "src" / "switchpoint" / "estimators" / "artifacts" / "bundled"
    return {"what": "bundled artifact", "value": f"{size_mb(folder):.1f} MB", "beside": "limit: 15 MB"}


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6
