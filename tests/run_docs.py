"""Run every command and snippet of the documentation once: `python -m tests.run_docs README.md docs`.

Blocks marked `python` and `bash` are run, those of one file in order and in one directory of their own, except that
`make` runs in the repository. A comment `<!-- not run: REASON -->` right above a block leaves it out, and says why.
SWITCHPOINT_DOCS_DONE lists commands, separated by semicolons, that ran a moment ago and need not run again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^>]+ -->\n+)?^```(?P<language>python|bash)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)
TIMEOUT_S = 900


class Snippet(NamedTuple):
    place: str
    language: str
    code: str


def snippets(path: Path) -> Iterator[Snippet]:
    text = path.read_text()
    for match in BLOCK.finditer(text):
        if not match["skip"]:
            line = text[: match.start("language")].count("\n") + 1
            yield Snippet(f"{path.name}:{line}", match["language"], match["code"])


def command(snippet: Snippet) -> list[str]:
    if snippet.language == "python":
        return [sys.executable, "-W", "error", "-c", snippet.code]
    done = set(filter(None, os.environ.get("SWITCHPOINT_DOCS_DONE", "").split(";")))
    lines = [line for line in snippet.code.splitlines() if line.strip() not in done]
    lines = [re.sub(r"^make\b", f"make -C {ROOT}", line) for line in lines]
    return ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]


def run(path: Path) -> int:
    """Run the snippets of a file; return how many failed."""
    failures = 0
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as folder:
        for snippet in snippets(path):
            made = subprocess.run(
                command(snippet),
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            failures += made.returncode != 0
            print(f"{'ok    ' if made.returncode == 0 else 'FAILED'} {snippet.place} ({snippet.language})", flush=True)
            if made.returncode != 0:
                print(made.stdout[-3000:] + made.stderr[-3000:], flush=True)
    return failures


def pages(path: Path) -> list[Path]:
    return sorted(path.rglob("*.md")) if path.is_dir() else [path]


def main(names: list[str]) -> int:
    paths = [page for name in names for page in pages(Path(name))]
    return 1 if sum(run(path) for path in paths) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
