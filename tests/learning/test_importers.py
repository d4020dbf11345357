"""Every source as its authors publish it, in small; what `import_dataset` writes is read back by the typed reader."""

import json

import numpy as np
import pytest

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.learning.datasets import read, responses
from switchpoint.learning.importers import IMPORTERS, import_dataset

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MIXTRAL, GPT4 = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def imported(kind, source, tmp_path, **options):
    import_dataset(kind, source, tmp_path / "out", **options)
    return read(tmp_path / "out")


def cells(outcomes):
    """Every observed quality by text and model."""
    rows, columns = np.nonzero(~np.isnan(outcomes.quality))
    return {
        (outcomes.queries[i].full_text, outcomes.models[j]): outcomes.quality[i, j]
        for i, j in zip(rows, columns, strict=True)
    }


def test_routellm_mmlu_is_right_or_wrong_and_the_file_names_the_subject(tmp_path):
    folder = tmp_path / "responses"
    folder.mkdir()
    (folder / "mmlu_anatomy.csv").write_text(
        f'prompt,{MIXTRAL},{GPT4}\n"A bone is\nA. hard\nAnswer:",True,True\n"A ""joint"" is\nAnswer:",False,True\n'
    )

    outcomes = imported("routellm", folder, tmp_path)

    assert outcomes.models == (MIXTRAL, GPT4)
    assert outcomes.domains == ("anatomy", "anatomy")
    assert outcomes.queries[1].full_text == 'A "joint" is\nAnswer:'
    np.testing.assert_array_equal(outcomes.quality, [[1, 1], [0, 1]])
    assert np.isnan(outcomes.cost_usd).all()


def test_routellm_gsm8k_keeps_the_answers(tmp_path):
    path = tmp_path / "gsm8k_responses.csv"
    path.write_text(f"prompt,{MIXTRAL},{GPT4},{MIXTRAL}_response,{GPT4}_response\n12,False,True,It is 3,It is 12\n")

    outcomes = imported("routellm", path, tmp_path)

    assert outcomes.models == (MIXTRAL, GPT4)
    assert outcomes.domains == ("gsm8k",)
    assert [answer.text for answer in responses(tmp_path / "out")] == ["It is 3", "It is 12"]


ROUTERBENCH = {
    "sample_id": ["arc.1", "arc.2"],
    "prompt": ["Which is a plant?", "Which is a metal?"],
    "eval_name": ["arc-challenge", "arc-challenge"],
    "gpt-4": [1.0, 0.25],
    "gpt-4|model_response": ["A", "B"],
    "gpt-4|total_cost": [0.005, None],
    "mistral-7b": [0.0, None],
    "mistral-7b|model_response": ["C", None],
    "mistral-7b|total_cost": [0.0001, None],
    "oracle_model_to_route_to": ["gpt-4", "gpt-4"],
}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_routerbench_gives_scores_and_costs_and_leaves_gaps_open(tmp_path, suffix):
    path, table = tmp_path / f"routerbench_0shot.{suffix}", pa.table(ROUTERBENCH)
    if suffix == "jsonl":
        lines(path, *table.to_pylist())
    else:
        from pyarrow import csv

        (pq.write_table if suffix == "parquet" else csv.write_csv)(table, path)

    outcomes = imported("routerbench", path, tmp_path)

    assert outcomes.models == ("gpt-4", "mistral-7b")
    np.testing.assert_array_equal(outcomes.quality, [[1, 0], [0.25, np.nan]])
    np.testing.assert_array_equal(outcomes.cost_usd, [[0.005, 0.0001], [np.nan, np.nan]])


def test_a_pickle_is_refused_and_the_way_to_convert_it_is_named(tmp_path):
    (tmp_path / "routerbench_0shot.pkl").write_bytes(b"\x80\x04.")

    for source in (tmp_path, tmp_path / "routerbench_0shot.pkl"):
        with pytest.raises(DataError, match=r"a pickle runs code when it is opened.*to_parquet"):
            import_dataset("routerbench", source, tmp_path / "out")


def sprout_row(prompt, **scores):
    struct = {"num_input_tokens": 40, "num_output_tokens": 8, "response": "x"}
    models = {name: None if score is None else {"score": score, **struct} for name, score in scores.items()}
    return {"key": prompt, "dataset": "math", "prompt": prompt, "golden_answer": "4", **models}


def test_sprout_takes_the_split_from_the_file_and_has_no_dollars(tmp_path):
    source = tmp_path / "data"
    source.mkdir()
    for name, row in (
        ("train", sprout_row("2 + 2?", a=1.0, b=0.5)),
        ("validation", sprout_row("3 + 3?", a=0.0, b=None)),
        ("test", sprout_row("4 + 4?", a=1.0, b=1.0)),
    ):
        schema = pa.Table.from_pylist([sprout_row("", a=1.0, b=1.0)]).schema
        pq.write_table(pa.Table.from_pylist([row], schema=schema), source / f"{name}-00000-of-00001.parquet")

    outcomes = imported("sprout", source, tmp_path)

    assert cells(outcomes)[("2 + 2?", "b")] == 0.5
    assert ("3 + 3?", "b") not in cells(outcomes)
    assert [query.full_text for query in read(tmp_path / "out", "test").queries] == ["4 + 4?"]
    assert np.isnan(outcomes.cost_usd).all()
    tokens = pq.read_table(tmp_path / "out" / "outcomes.parquet")["input_tokens"].to_pylist()
    assert tokens == [40] * 5


def test_embedllm_names_models_and_splits(tmp_path):
    source = tmp_path / "embedllm"
    source.mkdir()
    header = "prompt_id,model_id,category,label,prompt,model_name,category_id\n"
    (source / "train.csv").write_text(header + "0,7,mmlu,1,Why?,qwen,3\n0,8,mmlu,0,Why?,phi,3\n")
    (source / "test.csv").write_text(header + "1,7,gsm8k,1,How many?,qwen,1\n")
    (source / "model_order.csv").write_text("model_id,model_name\n7,qwen\n")

    outcomes = imported("embedllm", source, tmp_path)

    assert cells(outcomes) == {("Why?", "qwen"): 1, ("Why?", "phi"): 0, ("How many?", "qwen"): 1}
    assert sorted(zip([q.full_text for q in outcomes.queries], outcomes.domains, strict=True)) == [
        ("How many?", "gsm8k"),
        ("Why?", "mmlu"),
    ]
    assert len(read(tmp_path / "out", "test")) == 1


def routed(query, model, performance):
    return {
        "task_name": "gsm8k",
        "query": query,
        "ground_truth": "4",
        "metric": "GSM8K",
        "choices": None,
        "task_id": None,
        "model_name": model,
        "response": "4",
        "performance": performance,
        "embedding_id": 0,
        "input_tokens": 12,
        "output_tokens": 3,
        "response_time": 0.4,
    }


def test_llmrouter_passes_over_files_of_queries_alone(tmp_path):
    data = tmp_path / "example_data"
    lines(data / "query_data" / "default_query_train.jsonl", {"task_name": "gsm8k", "query": "2 + 2?", "choices": None})
    lines(
        data / "routing_data" / "default_routing_train_data.jsonl",
        routed("2 + 2?", "small", 1.0),
        routed("2 + 2?", "large", None),
    )
    lines(data / "routing_data" / "default_routing_test_data.jsonl", routed("3 + 3?", "large", 0.5))

    outcomes = imported("llmrouter", data, tmp_path)

    assert cells(outcomes) == {("2 + 2?", "small"): 1.0, ("3 + 3?", "large"): 0.5}
    test = read(tmp_path / "out", "test", ["large"])
    assert [query.full_text for query in test.queries] == ["3 + 3?"]
    assert (test.output_tokens[0, 0], test.latency_s[0, 0]) == (3, 0.4)


def test_a_text_in_train_and_test_of_the_source_becomes_test(tmp_path):
    data = tmp_path / "routing_data"
    lines(data / "default_routing_train_data.jsonl", routed("same?", "small", 1.0), routed("other?", "small", 1.0))
    lines(data / "default_routing_test_data.jsonl", routed("same?", "large", 0.0))

    found = import_dataset("llmrouter", data, tmp_path / "out")

    assert found.notes == ("1 texts stand in train and in test at the source; they are test here.",)
    assert [query.full_text for query in read(tmp_path / "out", "train").queries] == ["other?"]


def cached(index, score, **more):
    return {
        "global_index": index,
        "question": f"Question {index}",
        "llm_selected": "claude-3-haiku",
        "generated_answer": "B",
        "token_usage": {"input_tokens": 349, "output_tokens": 120, "total_tokens": 469},
        "success": True,
        "error": None,
        "evaluation_result": {"extracted_answer": "B", "ground_truth": "B", "score": score, "inference_cost": 0.0002},
    } | more


def predicted(index, model, accuracy):
    return {
        "global index": index,
        "prompt": f"Question {index}",
        "prediction": model,
        "generated_result": {"generated_answer": "A", "success": True, "token_usage": {"input_tokens": 1}},
        "cost": 0.0005,
        "accuracy": accuracy,
        "for_optimality": False,
    }


def test_routerarena_cached_results_are_test_and_a_failed_call_is_not_a_wrong_answer(tmp_path):
    path = tmp_path / "claude-3-haiku.jsonl"
    failed = cached("AIME_2", 0.0, success=False, error="timeout")
    lines(path, cached("AIME_112", 0.0), cached("ArcMMLU_7", 1.0), failed, cached("AIME_3", 0, evaluation_result=None))

    outcomes = imported("routerarena", path, tmp_path)

    assert cells(outcomes) == {
        ("Question AIME_112", "claude-3-haiku"): 0.0,
        ("Question ArcMMLU_7", "claude-3-haiku"): 1.0,
    }
    assert outcomes.domains == ("AIME", "ArcMMLU")
    assert outcomes.cost_usd[0, 0] == 0.0002
    with pytest.raises(DataError, match="'train'"):
        read(tmp_path / "out", "train")


def test_routerarena_predictions_join_the_cached_results_of_other_models(tmp_path):
    source = tmp_path / "arena"
    lines(source / "haiku.jsonl", cached("AIME_1", 1.0))
    (source / "router.json").write_text(
        json.dumps([predicted("AIME_1", "gpt-4.1", 0.0), predicted("AIME_2", "x", None)])
    )

    outcomes = imported("routerarena", source, tmp_path)

    assert cells(outcomes) == {("Question AIME_1", "claude-3-haiku"): 1.0, ("Question AIME_1", "gpt-4.1"): 0.0}


def test_llmrouterbench_result_files_name_model_and_benchmark_by_their_place(tmp_path):
    records = [{"index": 1, "origin_query": "2+2", "prompt": "Q: 2+2", "score": 1.0, "cost": 0.0001, "raw_output": "4"}]
    bench = tmp_path / "bench"
    for model, time, score in (("gpt-5", "20250101", 0.0), ("gpt-5", "20250901", 1.0), ("kimi", "20250102", 0.0)):
        path = bench / "aime" / "test" / model / f"{time}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"performance": score, "records": [records[0] | {"score": score}]}))

    outcomes = imported("llmrouterbench", bench, tmp_path)

    assert cells(outcomes) == {("Q: 2+2", "gpt-5"): 1.0, ("Q: 2+2", "kimi"): 0.0}
    assert outcomes.domains == ("aime",)


def test_avengers_rows_hold_all_models_of_a_query(tmp_path):
    row = {"query": "Why?", "records": {"a": 0.95, "b": None}, "usages": {"a": {"cost": 0.04}}, "dataset": "arc"}
    path = lines(tmp_path / "train.jsonl", row | {"index": 0})

    outcomes = imported("llmrouterbench", path, tmp_path)

    assert cells(outcomes) == {("Why?", "a"): 0.95}
    assert outcomes.cost_usd[0, 0] == 0.04


def test_scores_outside_the_unit_interval_name_row_and_column_and_the_way_out(tmp_path):
    path = lines(tmp_path / "a.jsonl", routed("a?", "small", 1.0), routed("b?", "small", 7.0))

    with pytest.raises(DataError, match=r"a.jsonl: row 2, column 'performance': 7 is outside \[0, 1\].*--score-range"):
        import_dataset("llmrouter", path, tmp_path / "out")


def test_a_score_range_is_scaled_to_the_unit_interval(tmp_path):
    path = lines(
        tmp_path / "a.jsonl", routed("a?", "small", 1.0), routed("b?", "small", 5.5), routed("c?", "small", 10)
    )

    outcomes = imported("llmrouter", path, tmp_path, score_range=(1, 10))

    np.testing.assert_allclose(outcomes.quality[:, 0], [0, 0.5, 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"performance": "good"}, r"row 2: Expected `float \| null`, got `str` - at `\$.performance`"),
        ({"query": None}, r"row 2: Expected `str`, got `null` - at `\$.query`"),
        ({"input_tokens": -1}, r"row 2, column 'input_tokens': -1 is outside \[0, infinity\)"),
    ],
)
def test_a_fault_names_file_row_and_column(tmp_path, change, message):
    path = lines(tmp_path / "a.jsonl", routed("a?", "small", 1.0), routed("b?", "small", 1.0) | change)

    with pytest.raises(DataError, match=r"a.jsonl: " + message):
        import_dataset("llmrouter", path, tmp_path / "out")


def test_a_nan_that_python_wrote_into_json_names_its_row(tmp_path):
    path = lines(tmp_path / "a.jsonl", routed("a?", "small", 1.0), routed("b?", "small", float("nan")))

    with pytest.raises(DataError, match=r"a.jsonl: row 2: .*JSON has no NaN: write null"):
        import_dataset("llmrouter", path, tmp_path / "out")


def test_a_row_that_names_no_model_is_refused(tmp_path):
    table = pa.table({"prompt": ["Why?", "How?"], "label": [1, 1], "model_name": ["qwen", None]})
    pq.write_table(table, tmp_path / "train.parquet")

    with pytest.raises(DataError, match="row 2, column 'model_name': names no model"):
        import_dataset("embedllm", tmp_path / "train.parquet", tmp_path / "out")


def test_cells_of_which_nothing_is_known_are_not_written(tmp_path):
    pq.write_table(pa.table(ROUTERBENCH), tmp_path / "x.parquet")

    assert import_dataset("routerbench", tmp_path / "x.parquet", tmp_path / "out").rows == 3


def test_words_where_scores_belong_name_the_column(tmp_path):
    (tmp_path / "mmlu_x.csv").write_text("prompt,gpt\nWhy?,yes\n")

    with pytest.raises(DataError, match=r"mmlu_x.csv, column 'gpt': not numbers"):
        import_dataset("routellm", tmp_path / "mmlu_x.csv", tmp_path / "out")


def test_another_table_says_which_column_is_missing(tmp_path):
    (tmp_path / "x.csv").write_text("question,gpt\nWhy?,1\n")

    with pytest.raises(DataError, match=r"not RouteLLM's|column 'prompt' is missing. The file has question, gpt"):
        import_dataset("routellm", tmp_path / "x.csv", tmp_path / "out")


def test_repeated_samples_become_a_fraction(tmp_path):
    path = lines(tmp_path / "a.jsonl", *(routed("a?", "small", score) for score in (1.0, 0.0, 0.0, None)))

    found = import_dataset("llmrouter", path, tmp_path / "out")

    assert read(tmp_path / "out").quality.tolist() == [[pytest.approx(1 / 3)]]
    assert found.notes == ("3 further observations of the same text and model were averaged into one.",)


def test_nan_is_how_pandas_writes_null(tmp_path):
    table = pa.table({**ROUTERBENCH, "gpt-4": [float("nan"), 1.0], "gpt-4|total_cost": [float("nan"), 0.1]})
    pq.write_table(table, tmp_path / "x.parquet")

    outcomes = imported("routerbench", tmp_path / "x.parquet", tmp_path)

    assert np.isnan(outcomes.quality[0, 0]) and np.isnan(outcomes.cost_usd[0, 0])


def test_an_infinite_cost_is_refused(tmp_path):
    pq.write_table(pa.table({**ROUTERBENCH, "gpt-4|total_cost": [float("inf"), 0.1]}), tmp_path / "x.parquet")

    with pytest.raises(DataError, match=r"row 1, column 'gpt-4\|total_cost': inf is outside"):
        import_dataset("routerbench", tmp_path / "x.parquet", tmp_path / "out")


def test_rows_without_a_text_are_left_out_and_counted(tmp_path):
    path = lines(tmp_path / "a.jsonl", routed("a?", "small", 1.0), routed("  ", "small", 1.0))

    found = import_dataset("llmrouter", path, tmp_path / "out")

    assert (found.queries, found.notes) == (1, ("1 rows without a text were left out.",))


def test_a_source_of_nothing_is_an_error(tmp_path):
    path = lines(tmp_path / "a.jsonl", routed(" ", "small", 1.0))

    with pytest.raises(DataError, match="holds no observation"):
        import_dataset("llmrouter", path, tmp_path / "out")


def test_a_text_of_a_megabyte_in_another_script_is_read(tmp_path):
    text = "为什么？" * 90_000
    path = lines(tmp_path / "a.jsonl", routed(text, "small", 1.0))

    assert imported("llmrouter", path, tmp_path).queries[0].full_text == text


def test_a_drawn_split_keeps_twins_together_and_is_the_same_every_time(tmp_path):
    texts = [f"Question number {i} about {word} and nothing else at all" for i in range(40) for word in ("cat", "cats")]
    path = lines(tmp_path / "a.jsonl", *(routed(text, "small", 1.0) for text in texts))

    splits = []
    for name in ("one", "two"):
        import_dataset("llmrouter", path, tmp_path / name, test_share=0.5)
        splits.append([query.full_text for query in read(tmp_path / name, "test").queries])

    assert splits[0] == splits[1]
    assert 0 < len(splits[0]) < 80
    assert {text.replace("cats", "cat") for text in splits[0]} == {t for t in splits[0] if "cats" not in t}


def test_an_unknown_kind_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'routerbench'"):
        import_dataset("routerbnech", tmp_path, tmp_path / "out")


@pytest.mark.parametrize("kind", [kind for kind in IMPORTERS if kind != "records"])
def test_a_missing_source_is_said_to_be_missing(kind, tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        import_dataset(kind, tmp_path / "nowhere.csv", tmp_path / "out")


def test_json_lines_can_be_written_instead(tmp_path):
    path = lines(tmp_path / "a.jsonl", routed("a?", "small", 1.0), routed("a?", "large", None))

    import_dataset("llmrouter", path, tmp_path / "lines", format="jsonl")
    import_dataset("llmrouter", path, tmp_path / "parquet")

    assert cells(read(tmp_path / "lines")) == cells(read(tmp_path / "parquet")) == {("a?", "small"): 1.0}
