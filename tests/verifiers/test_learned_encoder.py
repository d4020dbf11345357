"""An encoder that reads a question with its answer, as a verifier: on a tiny graph, made at random."""

from dataclasses import replace
from pathlib import Path

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ArtifactError
from switchpoint.core.query import ROUTING_CHARS, Query
from switchpoint.estimators import artifact
from switchpoint.estimators.encoder import Encoder, Scorer
from switchpoint.verifiers.encoder import PairEncoder, load, pair_text
from tests.estimators.conftest import make_outcomes
from tests.estimators.tiny_encoder import PLACES, VOCABULARY, tiny_encoder, tiny_graph


@pytest.fixture
def verifier() -> PairEncoder:
    pytest.importorskip("onnxruntime", reason="an encoder is served by onnxruntime")
    outcomes = make_outcomes().of(["small"])
    scorer = Scorer(tiny_graph(n_models=1), VOCABULARY, PLACES)
    return PairEncoder(Encoder(scorer, ["right"]).fit(replace(outcomes, models=("right",))))


async def test_it_scores_an_answer_free_of_charge_and_comes_back_the_same(
    verifier: PairEncoder, tmp_path: Path
) -> None:
    artifact.write(verifier, tmp_path, created="2026-01-01")
    query, answer = Query.of("compute 2 + 2"), Answer(text="4", body={})

    verdict, again = await verifier(query, answer), await load(tmp_path)(query, answer)

    assert 0 <= verdict.score <= 1 and verdict.cost_usd == 0
    assert again == verdict


def test_an_encoder_of_models_is_no_verifier(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="an encoder is served by onnxruntime")
    artifact.write(tiny_encoder(), tmp_path, created="2026-01-01")

    with pytest.raises(ArtifactError, match="scores no answers"):
        load(tmp_path)


def test_no_rows_have_no_scores(verifier: PairEncoder) -> None:
    assert verifier.score([], []).shape == (0,)


def test_of_a_long_question_and_a_long_answer_both_are_read() -> None:
    text = pair_text("q" * 9_000 + "?", "a" * 9_000 + "!")

    assert "?" in text and "!" in text
    assert len(text) <= ROUTING_CHARS
