"""What `import switchpoint` gives, and what it costs."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import switchpoint


@pytest.mark.parametrize("name", switchpoint.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(switchpoint, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = switchpoint.Nonsense


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import switchpoint, sys; print([m for m in ('numpy', 'aiohttp', 'pydantic', 'sklearn') if m in sys.modules])"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"


def test_the_version_is_the_same_everywhere() -> None:
    changelog = (Path(__file__).parent.parent / "CHANGELOG.md").read_text()

    assert metadata.version("switchpoint") == switchpoint.__version__
    assert re.search(r"^## ([\d.]+)", changelog, flags=re.MULTILINE)[1] == switchpoint.__version__
