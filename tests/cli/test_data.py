"""`switchpoint data`: import, check, leaks, preferences."""

import json

import pytest

from switchpoint.cli.app import run

pytest.importorskip("pyarrow")

TEXTS = [
    ("train", "Why is the sky blue on a clear day, and red when the sun goes down?"),
    ("train", "How deep is the ocean at its deepest point, and what lives there?"),
    ("test", "Why is the sky blue on a clear day, and red when the sun goes up?"),
    ("test", "Who wrote the oldest book that is known to us in its full length?"),
]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "toy"
    path.mkdir()
    queries = [{"query_id": str(i), "split": s, "domain": "facts", "text": t} for i, (s, t) in enumerate(TEXTS)]
    outcomes = [
        {"query_id": str(i), "model": model, "score": score, "cost_usd": cost}
        for i in range(len(TEXTS))
        for model, score, cost in (("mini", i / 4, 0.001), ("max", 1.0, None))
    ]
    for stem, rows in (("queries", queries), ("outcomes", outcomes)):
        (path / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def printed(capsys, *arguments):
    assert run([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_kinds_are_named(capsys):
    assert {"routellm", "battles", "records"} <= set(printed(capsys, "data", "kinds"))


def test_an_import_says_what_it_wrote(tmp_path, capsys):
    (tmp_path / "mmlu_law.csv").write_text("prompt,mini,max\nWhy?,6,10\n")

    found = printed(
        capsys, "data", "import", "routellm", tmp_path / "mmlu_law.csv", "--out", tmp_path / "o", "--score-range", 0, 10
    )

    assert (found["queries"], found["models"], found["rows"]) == (1, 2, 2)
    assert (tmp_path / "o" / "outcomes.parquet").exists()


def test_a_check_sums_up_and_finds_leaks(folder, capsys):
    found = printed(capsys, "data", "check", folder)

    assert (found["queries"], found["leaked"]["exact"], found["leaked"]["near"]) == (4, 0, 1)
    assert found["domains"] == [["facts", 2, 2, 1, 0]]
    assert found["models"][0] == ["mini", 4, 0.375, 0.001, 4]
    assert found["models"][1] == ["max", 4, 1.0, None, 0]


def test_a_check_is_shown_to_people_too(folder, capsys):
    assert run(["data", "check", str(folder)]) == 0

    assert "Of 2 queries of test, 0 stand in train exactly and 1 more nearly" in capsys.readouterr().out


def test_a_check_fails_with_row_and_column(folder, capsys):
    (folder / "outcomes.jsonl").write_text('{"query_id": "0", "model": "mini", "score": 2, "cost_usd": null}\n')

    assert run(["data", "check", str(folder)]) == 1
    assert "row 1, column 'score': 2 is outside [0, 1]" in capsys.readouterr().err


def test_leaks_of_a_folder_in_itself_are_all_of_it(folder, capsys):
    found = printed(capsys, "data", "leaks", folder, folder)

    assert (found["queries"], found["exact"], found["near"]) == (4, 4, 0)


def test_preferences_are_derived_and_counted(folder, tmp_path, capsys):
    found = printed(
        capsys, "data", "preferences", folder, "--out", tmp_path / "p.jsonl", "--split", "all", "--tie", 0.3
    )

    assert found == {"battles": 4, "a_won": 0, "b_won": 3, "ties": 1}
    assert len((tmp_path / "p.jsonl").read_text().splitlines()) == 4


def test_an_unknown_kind_is_one_line_and_code_two(tmp_path, capsys):
    assert run(["data", "import", "routelm", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "Did you mean 'routellm'" in capsys.readouterr().err


CONFIG = """
[upstreams.fake]
kind = "fake"
script = { mini = ["mini says"], max = ["max says"], referee = ['{"first": 9, "second": 2}'] }
[models.mini]
upstream = "fake"
input_usd_per_mtok = 1
output_usd_per_mtok = 1
[models.max]
upstream = "fake"
input_usd_per_mtok = 1
output_usd_per_mtok = 1
[models.referee]
upstream = "fake"
input_usd_per_mtok = 1
output_usd_per_mtok = 1
"""


def test_a_judge_appends_battles_and_says_what_they_cost(folder, tmp_path, capsys):
    (tmp_path / "switchpoint.toml").write_text(CONFIG)
    panel = ("--a", "mini", "--b", "max", "--judge", "referee", "--config", tmp_path / "switchpoint.toml")

    first = printed(capsys, "data", "judge", folder, *panel, "--out", tmp_path / "j.jsonl", "--limit", 1)
    second = printed(capsys, "data", "judge", folder, *panel, "--out", tmp_path / "j.jsonl")

    assert (first["judged"], second["judged"], second["resumed"]) == (1, 3, 1)
    assert float(first["cost_usd"]) > 0
    assert {json.loads(line)["winner"] for line in (tmp_path / "j.jsonl").read_text().splitlines()} == {"tie"}


def test_a_judge_that_is_not_in_the_catalog_names_the_nearest(folder, tmp_path, capsys):
    (tmp_path / "switchpoint.toml").write_text(CONFIG)
    panel = ["--a", "mini", "--b", "max", "--judge", "refree", "--config", str(tmp_path / "switchpoint.toml")]

    assert run(["data", "judge", str(folder), *panel, "--out", str(tmp_path / "j.jsonl")]) == 2
    assert "Did you mean 'referee'" in capsys.readouterr().err
