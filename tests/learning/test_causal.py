"""Fine-tuning a causal model to rate: on a tiny one, made at random."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from switchpoint.cli.train import app
from switchpoint.core.errors import ConfigError, DataError, UnknownModel
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.learning.causal import ABOUT, FORM, Rater, Settings, fine_tune, soft_ratings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FAST = Settings(epochs=20, batch=16, learning_rate=1e-2, max_tokens=24)


def outcomes(n: int = 160) -> Outcomes:
    """The weak model answers greetings and fails at sums."""
    texts = [f"sum {i} + {i}" if i % 2 else f"hello {i}" for i in range(n)]
    weak = np.array([0.0 if i % 2 else 1.0 for i in range(n)])
    return Outcomes(
        queries=tuple(map(Query.of, texts)),
        models=("weak", "strong"),
        quality=np.stack([weak, np.ones(n)], axis=1),
        cost_usd=np.full((n, 2), np.nan),
        domains=("made up",) * n,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal model of two small layers over bytes, with random weights."""
    torch = pytest.importorskip("torch", reason="fine-tuning needs torch")
    transformers = pytest.importorskip("transformers", reason="fine-tuning needs transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(["<s>", *alphabet])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    path = tmp_path_factory.mktemp("tiny")
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>").save_pretrained(path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.LlamaConfig(vocab_size=257, num_key_value_heads=2, max_position_embeddings=256, **sizes)
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    return path


@given(st.lists(st.floats(0, 1), min_size=1))
def test_a_soft_rating_is_a_distribution_whose_mean_is_the_quality(quality: list[float]) -> None:
    target = soft_ratings(np.array(quality))

    assert target.sum(axis=1) == pytest.approx(1.0)
    assert (target @ np.arange(5)) / 4 == pytest.approx(np.array(quality), abs=1e-9)


def test_it_learns_what_the_weak_model_can_do_and_the_folder_says_so(folder: Path, tmp_path: Path) -> None:
    tuned = fine_tune(outcomes(), "weak", folder, tmp_path, FAST)

    ease = Rater.load(tmp_path, 24).ease([Query.of("hello 777"), Query.of("sum 777 + 777")])
    assert tuned.after < tuned.constant < tuned.before
    assert ease[0] > 0.7 > 0.3 > ease[1]
    assert json.loads((tmp_path / ABOUT).read_text())["weak"] == "weak"
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".jinja", ".safetensors"}


def test_the_saved_template_shows_a_server_what_was_trained_on(folder: Path, tmp_path: Path) -> None:
    fine_tune(outcomes(20), "weak", folder, tmp_path, Settings(epochs=1))
    rater = Rater.load(tmp_path)
    query = Query.of("Is 1 < 2?")
    turns = [{"role": "user", "content": "Is 1 ‹ 2?"}]

    shown = rater.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)

    assert shown == f"<s>Is 1 ‹ 2?{FORM}"
    assert rater.tokenizer.encode(shown, add_special_tokens=False) == rater.encode(query)


def test_a_long_text_keeps_its_head_and_its_tail(folder: Path) -> None:
    rater = Rater.load(folder, max_tokens=10)

    ids = rater.encode(Query.of("begin" + "x" * 100 + "final"))

    assert rater.tokenizer.decode(ids) == f"<s>beginfinal{FORM}"


def test_other_rows_of_a_batch_do_not_change_a_rating(folder: Path) -> None:
    rater = Rater.load(folder)
    queries = [Query.of("short"), Query.of("a much longer question " * 5)]

    together, alone = rater.ease(queries), np.concatenate([rater.ease([query]) for query in queries])

    assert together == pytest.approx(alone, abs=1e-5)


def test_the_same_seed_gives_the_same_model(folder: Path, tmp_path: Path) -> None:
    one, two = (fine_tune(outcomes(40), "weak", folder, tmp_path / n, Settings(epochs=1)) for n in "ab")

    assert one == two


def test_rows_that_were_not_observed_are_left_out_and_too_few_are_refused(folder: Path, tmp_path: Path) -> None:
    made = outcomes(40)
    made.quality[9:, 0] = np.nan

    with pytest.raises(DataError, match="9 outcomes of weak"):
        fine_tune(made, "weak", folder, tmp_path)
    assert fine_tune(made, "strong", folder, tmp_path, Settings(epochs=1)).rows == 36


def test_an_unknown_model_a_missing_folder_and_a_share_out_of_range_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="Did you mean 'weak'"):
        fine_tune(outcomes(), "waek", folder, tmp_path)
    with pytest.raises(ConfigError, match="not a local causal language model"):
        fine_tune(outcomes(), "weak", tmp_path / "nowhere", tmp_path)
    with pytest.raises(ConfigError, match="held_out must be between 0 and 1"):
        fine_tune(outcomes(), "weak", folder, tmp_path, Settings(held_out=0.0))


def test_without_the_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(ConfigError, match=r"switchpoint\[torch\]"):
        fine_tune(outcomes(), "weak", tmp_path, tmp_path)


def test_the_command_line_trains_and_says_what_was_learned(folder: Path, tmp_path: Path) -> None:
    queries = [{"query_id": str(i), "split": "train", "domain": "d", "text": f"hello {i}"} for i in range(20)]
    cells = [{"query_id": str(i), "model": "weak", "score": i % 2, "cost_usd": None} for i in range(20)]
    for table, rows in {"queries": queries, "outcomes": cells}.items():
        (tmp_path / f"{table}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["causal", "--data", tmp_path, "--base", folder, "--weak", "weak", "--out", tmp_path / "out"]

    result = CliRunner().invoke(app, [*map(str, words), "--epochs", "1", "--json"])

    assert json.loads(result.stdout)["rows"] == 18
    assert (tmp_path / "out" / "model.safetensors").exists()
