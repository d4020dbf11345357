"""Write a software bill of materials (CycloneDX 1.6, JSON) of a lock file: every version with its hashes, nothing else.

    python requirements/sbom.py requirements/core.txt > sbom.json

It says what the lock says and does not look at what is installed; there are no licences and no dates in it, so that the
same lock always gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

REQUIREMENT = re.compile(r"(?P<name>[\w.\-]+)(?:\[[\w,\-]+\])?==(?P<version>[\w.!+]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: Path, version: str) -> dict[str, Any]:
    """Return the bill of a lock file for a version of Switchpoint; raises ValueError for a line without a hash."""
    text = re.sub(r"\\\n", " ", lock.read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    product = {"type": "application", "bom-ref": "switchpoint", "name": "switchpoint", "version": version}
    components = [_component(line) for line in lines]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product},
        "components": components,
        "dependencies": [{"ref": "switchpoint", "dependsOn": [each["bom-ref"] for each in components]}],
    }


def _component(line: str) -> dict[str, Any]:
    found, hashes = REQUIREMENT.match(line), HASH.findall(line)
    if found is None or not hashes:
        raise ValueError(f"Not a locked requirement: {line[:60]!r}. Lock it to a version with hashes.")
    name = re.sub(r"[-_.]+", "-", found["name"]).lower()
    purl = f"pkg:pypi/{name}@{found['version']}"
    # One hash for each file that the index serves for the version; the installed one is among them.
    files = [{"type": "distribution", "url": purl, "hashes": [{"alg": "SHA-256", "content": each}]} for each in hashes]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": found["version"],
        "purl": purl,
        "externalReferences": files,
    }


if __name__ == "__main__":
    released = re.search(r'^version = "(.+)"$', Path("pyproject.toml").read_text(), re.MULTILINE)
    json.dump(bill(Path(sys.argv[1]), released[1] if released else ""), sys.stdout, indent=1)
