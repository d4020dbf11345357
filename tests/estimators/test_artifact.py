"""Artifacts: the same bytes for the same content, and a clear word when something is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from switchpoint.core.errors import ArtifactError
from switchpoint.core.outcome import Outcomes
from switchpoint.estimators import artifact
from switchpoint.estimators.heads import TextHeads
from switchpoint.estimators.mean import MeanCost, MeanQuality


@pytest.fixture
def folder(tmp_path: Path, outcomes: Outcomes) -> Path:
    artifact.write(MeanQuality().fit(outcomes), tmp_path / "made", created="2026-01-01")
    return tmp_path / "made"


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_same_content_gives_the_same_bytes_and_hash(tmp_path: Path, outcomes: Outcomes) -> None:
    one, two = (
        artifact.write(TextHeads().fit(outcomes), tmp_path / name, created="2026-01-01") for name in ("one", "two")
    )

    assert one == two
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_the_hash_is_that_of_the_manifest(folder: Path) -> None:
    before = artifact.read(folder).digest

    edit(folder, lambda m: m.update(created="2026-01-02"))

    assert artifact.read(folder).digest != before


def test_what_it_was_trained_on_comes_back(tmp_path: Path, outcomes: Outcomes) -> None:
    lines = [{"dataset": "d", "split": "train", "rows": 3}]

    artifact.write(MeanQuality().fit(outcomes), tmp_path, created="x", trained_on=lines, metrics={"apgr": 0.6})

    found = artifact.read(tmp_path).manifest
    assert (found.trained_on, found.metrics) == (tuple(lines), {"apgr": 0.6})


def test_a_part_lies_beside_it_and_its_hash_is_in_the_manifest(tmp_path: Path, outcomes: Outcomes) -> None:
    parts = {"cost": MeanCost().fit(outcomes)}

    artifact.write(MeanQuality().fit(outcomes), tmp_path, created="x", parts=parts)

    whole = artifact.read(tmp_path)
    part = artifact.read_part(tmp_path, whole, "cost")
    assert part is not None and part.manifest.kind == "mean_cost"
    assert whole.manifest.parts == {"cost": part.digest}


def test_a_folder_that_the_manifest_does_not_name_is_no_part(folder: Path, outcomes: Outcomes) -> None:
    artifact.write(MeanCost().fit(outcomes), folder / "cost", created="x")

    assert artifact.read_part(folder, artifact.read(folder), "cost") is None


def test_a_damaged_part_is_named(tmp_path: Path, outcomes: Outcomes) -> None:
    estimator = MeanQuality().fit(outcomes)
    artifact.write(estimator, tmp_path, created="x", parts={"cost": MeanCost().fit(outcomes)})
    edit(tmp_path / "cost", lambda m: m.update(created="y"))

    with pytest.raises(ArtifactError, match=r"cost: is not the part that .* was written with .* Train it again"):
        artifact.read_part(tmp_path, artifact.read(tmp_path), "cost")


def test_a_damaged_file_is_named(folder: Path) -> None:
    tensors = folder / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\x01")

    with pytest.raises(ArtifactError, match=r"tensors\.safetensors: damaged"):
        artifact.read(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "tensors.safetensors").unlink()

    with pytest.raises(ArtifactError, match=r"tensors\.safetensors: cannot be read"):
        artifact.read(folder)


def test_a_folder_without_a_manifest_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json: cannot be read .* Is this an artifact folder"):
        artifact.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '"x"', "null"])
def test_a_broken_manifest_is_no_traceback(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)

    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        artifact.read(folder)


def test_another_format_says_what_is_read(folder: Path) -> None:
    edit(folder, lambda m: m.update(format=99))

    with pytest.raises(ArtifactError, match="format 99, this version reads 1"):
        artifact.read(folder)


def test_an_unknown_kind_names_the_nearest(folder: Path) -> None:
    edit(folder, lambda m: m.update(kind="mean_qualty"))

    with pytest.raises(ArtifactError, match="Did you mean 'mean_quality'"):
        artifact.load_estimator(folder)


def test_an_artifact_of_another_kind_is_refused(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="of kind 'mean_quality', 'heads' is needed"):
        TextHeads.load(folder)


def test_a_file_outside_the_folder_is_refused(folder: Path) -> None:
    edit(folder, lambda m: m["digests"].update({"../secret": "0"}))

    with pytest.raises(ArtifactError, match="not a file of the folder"):
        artifact.read(folder)


def test_vectors_of_another_embedder_are_refused(tmp_path: Path, outcomes: Outcomes) -> None:
    artifact.write(TextHeads().fit(outcomes), tmp_path, created="x")
    edit(tmp_path, lambda m: m.update(embedder="static-64-other"))

    with pytest.raises(ArtifactError, match="made with embedder 'static-64-other'"):
        artifact.load_estimator(tmp_path)
