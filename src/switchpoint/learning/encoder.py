"""Fine-tune a sentence encoder on outcomes, and make of it an estimator that is served without torch.

Fit the head on the vectors as they are → train the upper layers with it → keep the epoch that is best on rows held out,
epoch 0 being the head alone → write the graph → int8 → calibrate what will be served, on the rows held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators import artifact
from switchpoint.estimators.bert import BertFiles
from switchpoint.estimators.encoder import Encoder, Scorer, Tokens
from switchpoint.estimators.logistic import sigmoid, solve
from switchpoint.estimators.member import logit, shrunk_mean
from switchpoint.learning.bert import Bert, library
from switchpoint.learning.datasets import Folder, Split, read_many
from switchpoint.learning.encoder_graph import graph_of, quantize

HEAD_RIDGE = 1.5
"""Of the first head, on vectors of norm 1; by cross-validation on those of MiniLM on mmlu-gpt4-mixtral."""
MIN_ROWS = 20

Say = Callable[[str], None]
Ids = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train.

    learning_rate : the highest, after a warm-up over the first tenth of the steps; it then falls to 0 in a line.
    max_tokens : of a text, in training and in serving; a longer one keeps its first and its last half.
    frozen : so many lower layers stay as they are, and always the embeddings.
    dropout : in the layers that are trained. held_out : share of the rows that choose the epoch and calibrate.
    patience : epochs without a better one after which it stops.
    """

    epochs: int = 3
    batch: int = 32
    learning_rate: float = 3e-5
    weight_decay: float = 0.01
    max_tokens: int = 256
    frozen: int = 3
    dropout: float = 0.1
    held_out: float = 0.1
    patience: int = 1
    seed: int = 0
    calibration: str = "platt"


class Report(NamedTuple):
    """What came of it: rows trained on and held out, and log-loss in nats an outcome on the held-out ones.

    constant : of each model's mean; head : of the head alone; after : of the epoch that was kept, 0 being the head
    alone. Where `after` is not below `constant` it learned nothing about the queries.
    int8_max, int8_mean : differences of probability between the served graph and torch, over the held-out rows.
    """

    rows: int
    held_out: int
    constant: float
    head: float
    after: float
    epoch: int
    int8_max: float
    int8_mean: float
    graph_mb: float


class Tuned(NamedTuple):
    """The estimator, what came of training it, and the same graph in float32."""

    encoder: Encoder
    report: Report
    float_graph: bytes


class Rows(NamedTuple):
    """Token ids of each row, and its quality, shape (n_rows, n_models); NaN is not observed."""

    ids: list[list[int]]
    quality: FloatArray

    def take(self, rows: Sequence[int] | IntArray) -> Rows:
        """Return these rows."""
        return Rows([self.ids[i] for i in rows], self.quality[rows])


def fine_tune(
    outcomes: Outcomes, base: BertFiles, settings: Settings | None = None, say: Say = lambda text: None
) -> Tuned:
    """Train an encoder to predict the quality of each model, and calibrate it as it will be served.

    The loss is the binary cross-entropy of each observed outcome, a fraction being its own soft label; cells that were
    not observed count for nothing.

    Source: the BERT classifiers of RouteLLM (Ong et al. 2024) and Hybrid-LLM (Ding et al. 2024). Differs: outcomes per
    model instead of who won; the mean over tokens instead of a mark's vector; the head is fitted first, so that the
    layers below are not torn about by a random one (Kumar et al. 2022); lower layers are frozen.

    Raises DataError for fewer than 20 rows with an outcome, ConfigError for settings out of range or without torch.
    """
    settings = settings or Settings()
    _check(settings, base)
    library("torch").manual_seed(settings.seed)
    outcomes = _observed(outcomes)
    tokens = Tokens(base.vocabulary, settings.max_tokens)
    rows = Rows(tokens.ids([query.text for query in outcomes.queries]), outcomes.quality)
    held_out = _held_out(len(outcomes), settings)
    train, test = rows.take(np.flatnonzero(~held_out)), rows.take(np.flatnonzero(held_out))
    bert = Bert(base.weights, base.heads, settings.frozen)
    _fit_head(bert, train)
    kept = _train(bert, train, test, settings, say)
    float_graph = graph_of(kept.weights, base.heads)
    scorer = Scorer(quantize(float_graph), base.vocabulary, settings.max_tokens)
    encoder = Encoder(scorer, outcomes.models, calibration=settings.calibration).fit(outcomes, held_out)
    return Tuned(encoder, _report(kept, train, test, scorer), float_graph)


def train_encoder(
    folders: Sequence[Folder],
    out: Path,
    *,
    created: str,
    base: Path | None = None,
    models: Sequence[str] | None = None,
    split: Split = "train",
    settings: Settings | None = None,
    say: Say = lambda text: None,
) -> Report:
    """Fine-tune on the outcomes of the folders and write the artifact to `out`.

    base : folder of the encoder to start from; all-MiniLM-L6-v2 from its wheel by default.
    Raises DataError, UnknownModel, and ConfigError or ArtifactError where the encoder or a library is missing.
    """
    outcomes, settings = read_many(folders, split, models, say), settings or Settings()
    files = BertFiles.installed() if base is None else BertFiles.read(base)
    tuned = fine_tune(outcomes, files, settings, say)
    lines = [{"dataset": outcomes.name, "split": split, "rows": len(outcomes)}]
    metrics = {"training": asdict(settings), "held_out": tuned.report._asdict()}
    artifact.write(tuned.encoder, out, created=created, trained_on=lines, metrics=metrics)
    return tuned.report


class _Kept(NamedTuple):
    """The best epoch: its weights, its logits of the rows held out, their loss; and the loss of the head alone."""

    epoch: int
    weights: dict[str, FloatArray]
    logits: FloatArray
    loss: float
    head: float


def _train(bert: Bert, train: Rows, test: Rows, settings: Settings, say: Say) -> _Kept:
    logits = _logits(bert, test.ids, settings.batch)
    loss = _log_loss(logits, test.quality)
    say(f"head alone: log-loss {loss:.4f} on {len(test.ids)} rows held out")
    best = _Kept(0, bert.arrays(), logits, loss, loss)
    for epoch in _epochs(bert, train, settings):
        logits = _logits(bert, test.ids, settings.batch)
        loss = _log_loss(logits, test.quality)
        say(f"epoch {epoch}: log-loss {loss:.4f} on {len(test.ids)} rows held out")
        if loss < best.loss:
            best = _Kept(epoch, bert.arrays(), logits, loss, best.head)
        elif epoch - best.epoch >= settings.patience:
            break
    return best


def _epochs(bert: Bert, train: Rows, settings: Settings) -> Iterator[int]:
    """Train, yielding the number of each epoch when it is done."""
    torch = library("torch")
    random = np.random.default_rng(settings.seed)
    parameters = bert.trained()
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * -(-len(train.ids) // settings.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for epoch in range(1, settings.epochs + 1):
        for batch in _batches(train.ids, settings.batch, random):
            rows = train.take(batch)
            loss = _masked_loss(bert.logits(rows.ids, settings.dropout), rows.quality)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
        yield epoch


def _batches(ids: Ids, size: int, random: np.random.Generator) -> Iterator[IntArray]:
    """Yield each row once: texts of about the same length together, so that little is padded, batches in any order."""
    # Lengths are shaken by a tenth, or the same rows would meet in every epoch.
    lengths = np.array([len(each) for each in ids]) * random.uniform(0.9, 1.1, len(ids))
    order = np.argsort(lengths, kind="stable")
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    for number in random.permutation(len(batches)):
        yield batches[number]


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 10)
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm), 1.0)


def _masked_loss(logits: Any, quality: FloatArray) -> Any:
    torch = library("torch")
    observed = torch.tensor(~np.isnan(quality))
    target = torch.tensor(np.nan_to_num(quality), dtype=torch.float32)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits[observed], target[observed])


def _log_loss(logits: FloatArray, quality: FloatArray) -> float:
    """Mean over observed outcomes, in nats."""
    return float(np.nanmean(np.logaddexp(0, logits) - quality * logits))


def _fit_head(bert: Bert, train: Rows) -> None:
    """Fit one logistic regression per model on the vectors as they are before any training."""
    vectors = _by_length(bert.vectors, train.ids, 32).astype(np.float64)
    x = np.column_stack([vectors, np.ones(len(vectors))])
    ridge = np.append(np.full(vectors.shape[1], HEAD_RIDGE), 1.0)
    models = ((~np.isnan(quality), quality) for quality in train.quality.T)
    head = np.array([solve(x[seen], quality[seen], ridge=ridge) for seen, quality in models])
    bert.set_head(head[:, :-1], head[:, -1])


def _logits(bert: Bert, ids: Ids, batch: int) -> FloatArray:
    return _by_length(bert.logits, ids, batch).astype(np.float64)


def _by_length(compute: Callable[[Ids], Any], ids: Ids, size: int) -> FloatArray:
    """Return what a function of ids gives for every row, asked about batches of similar length."""
    order = np.argsort([len(each) for each in ids], kind="stable")
    with library("torch").no_grad():
        parts = [compute([ids[i] for i in order[at : at + size]]).numpy() for at in range(0, len(order), size)]
    found: FloatArray = np.concatenate(parts)[np.argsort(order)]
    return found


def _report(kept: _Kept, train: Rows, test: Rows, scorer: Scorer) -> Report:
    apart = np.abs(sigmoid(scorer.score(test.ids)) - sigmoid(kept.logits))
    constant = logit(np.broadcast_to(shrunk_mean(train.quality), test.quality.shape))
    return Report(
        rows=len(train.ids),
        held_out=len(test.ids),
        constant=_log_loss(constant, test.quality),
        head=kept.head,
        after=kept.loss,
        epoch=kept.epoch,
        int8_max=float(apart.max()),
        int8_mean=float(apart.mean()),
        graph_mb=len(scorer.graph) / 1e6,
    )


def _observed(outcomes: Outcomes) -> Outcomes:
    """Return the rows of which something was observed."""
    rows = np.flatnonzero(~np.isnan(outcomes.quality).all(axis=1))
    if len(rows) < MIN_ROWS:
        raise DataError(f"{outcomes.name}: {len(rows)} rows with an outcome; fine-tuning needs at least {MIN_ROWS}.")
    return outcomes.take(rows)


def _check(settings: Settings, base: BertFiles) -> None:
    if not 0 < settings.held_out < 1:
        raise ConfigError(f"held_out must be between 0 and 1. Got {settings.held_out!r}.")
    if settings.max_tokens > base.max_tokens:
        raise ConfigError(f"max_tokens must be at most {base.max_tokens}, as the encoder. Got {settings.max_tokens}.")


def _held_out(n_rows: int, settings: Settings) -> BoolArray:
    """Return which rows are held out, shape (n_rows,)."""
    held_out: BoolArray = np.random.default_rng(settings.seed).permutation(n_rows) < max(
        1, round(settings.held_out * n_rows)
    )
    return held_out
