"""The structure that ARCHITECTURE.md promises, read from it."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "switchpoint"
ROOMS = sorted(p.name for p in SOURCE.iterdir() if p.is_dir() and (p / "__init__.py").exists())


def allowed() -> dict[str, set[str]]:
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \|$", (ROOT / "ARCHITECTURE.md").read_text(), flags=re.MULTILINE)
    table = {room: {r.strip() for r in rooms.split(",")} for room, rooms in rows if room in ROOMS}
    return {room: set(ROOMS) if rooms == {"everything"} else rooms for room, rooms in table.items()}


def imported_names(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def imported_rooms(path: Path) -> set[str]:
    names = imported_names(path)
    return {name.split(".")[1] for name in names if name.startswith("switchpoint.")} & set(ROOMS)


def homes_of_libraries() -> dict[str, set[str]]:
    table = (ROOT / "ARCHITECTURE.md").read_text().split("| library | only in |")[1].split("## ")[0]
    rows = re.findall(r"^\| ([\w, ]+) \| ([\w, ]+) \|$", table, flags=re.MULTILINE)
    return {library: set(rooms.split(", ")) for libraries, rooms in rows for library in libraries.split(", ")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    allowed_here = allowed()[room] | {room}
    for path in (SOURCE / room).rglob("*.py"):
        assert imported_rooms(path) <= allowed_here, path.relative_to(ROOT)


@pytest.mark.parametrize("library", homes_of_libraries())
def test_a_library_is_used_only_where_the_table_says(library: str) -> None:
    users = {
        path.relative_to(SOURCE).parts[0]
        for path in SOURCE.rglob("*.py")
        if library in {name.split(".")[0] for name in imported_names(path)}
    }

    assert users <= homes_of_libraries()[library]


def test_every_library_that_is_used_is_in_the_table() -> None:
    used = {name.split(".")[0] for path in SOURCE.rglob("*.py") for name in imported_names(path)}
    anywhere = {"switchpoint", "numpy", "msgspec", "_typeshed", *sys.stdlib_module_names}

    assert used - anywhere <= set(homes_of_libraries())


def test_every_room_is_in_the_table_the_tree_and_the_glossary() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    architecture = (ROOT / "ARCHITECTURE.md").read_text()

    assert set(allowed()) == set(ROOMS)
    for room in ROOMS:
        assert f"── {room}/" in architecture
        assert f"`{room}/" in glossary


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=str)
def test_an_init_holds_no_logic(path: Path) -> None:
    tree = ast.parse(path.read_text())
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]

    assert set(functions) <= {"__getattr__", "main"}
