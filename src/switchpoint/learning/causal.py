"""Fine-tune a causal language model to rate queries: what `way = "trained"` of a rated router asks.

It is trained on exactly what a server will show it: the chat template that is saved beside the weights writes the text
of the last message and `FORM`, and the next token is the rating. So the folder can be served as it is by anything that
speaks OpenAI's chat completions and gives log-probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.core.rating import RATINGS, WAYS, as_data

FORM = "\nRating:\n"
TEMPLATE = r"{{ bos_token or '' }}{{ messages[-1]['content'] }}{{ '\nRating:\n' }}"
"""The same for a server: what it writes is what `Rater.encode` encodes."""
ABOUT = "switchpoint.json"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train.

    max_tokens : of a text; a longer one keeps its first and its last half.
    learning_rate : the highest, after a warm-up over the first twentieth of the steps; it then falls to 0 in a line.
    held_out : share of the rows that choose the epoch, in (0, 1).
    """

    epochs: int = 3
    batch: int = 8
    learning_rate: float = 1e-5
    max_tokens: int = 512
    held_out: float = 0.1
    seed: int = 0


class Tuned(NamedTuple):
    """What came of it: rows trained on and held out, and log-loss in nats a row on the held-out ones.

    before : of the model as it was; constant : of always saying how the training rows are rated on average; after : of
    the epoch that was saved. Where `after` is not below `constant` it learned nothing about the queries.
    """

    rows: int
    held_out: int
    before: float
    constant: float
    after: float
    epoch: int


class Rows(NamedTuple):
    """Token ids of each row, and the soft rating it should get, shape (n_rows, 5)."""

    ids: list[list[int]]
    target: FloatArray

    def take(self, rows: Sequence[int]) -> Rows:
        """Return these rows."""
        return Rows([self.ids[i] for i in rows], self.target[list(rows)])


class Rater(NamedTuple):
    """A causal model, its tokenizer, the ids of the rating tokens, and the most tokens of a text."""

    model: Any
    tokenizer: Any
    ratings: list[int]
    max_tokens: int

    @classmethod
    def load(cls, folder: Path, max_tokens: int = 512) -> Rater:
        """Read a local folder of safetensors and tokenizer; raises ConfigError for one that cannot be trained to rate.

        Nothing is fetched, no code of the folder is run, and pickled weights are not read.
        """
        torch, transformers = _libraries()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise ConfigError(f"{folder}: not a local causal language model in safetensors ({first}).") from None
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model.to(device), tokenizer, _rating_ids(folder, tokenizer), max_tokens)

    def encode(self, query: Query) -> list[int]:
        """Return the token ids of a query as the template writes them, its middle left out where it is too long."""
        ids: list[int] = self.tokenizer.encode(as_data(query.text), add_special_tokens=False)
        if len(ids) > self.max_tokens:
            ids = ids[: self.max_tokens // 2] + ids[-(self.max_tokens // 2) :]
        begin = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
        form: list[int] = self.tokenizer.encode(FORM, add_special_tokens=False)
        return begin + ids + form

    def log_probabilities(self, ids: list[list[int]]) -> Any:
        """Return a tensor of shape (n_rows, 5): of each rating as the next token, among the whole vocabulary."""
        torch, _ = _libraries()
        longest = max(map(len, ids))
        # Padding stands on the right, where no token before it can see it; what is read is the last real position.
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids], device=self.model.device)
        last = torch.tensor([len(row) - 1 for row in ids], device=self.model.device)
        seen = torch.arange(longest, device=self.model.device) <= last[:, None]
        logits = self.model(input_ids=padded, attention_mask=seen.long()).logits[torch.arange(len(ids)), last]
        return torch.log_softmax(logits.float(), dim=-1)[:, self.ratings]

    def ease(self, queries: Sequence[Query], batch: int = 8) -> FloatArray:
        """Return P(4) + P(5) among the ratings, shape (n_queries,): the signal that a server of the folder gives."""
        torch, _ = _libraries()
        found = np.zeros((0, len(RATINGS)))
        self.model.eval()
        with torch.no_grad():
            for start in range(0, len(queries), batch):
                logs = self.log_probabilities([self.encode(query) for query in queries[start : start + batch]])
                found = np.vstack([found, torch.softmax(logs, dim=-1).cpu().numpy()])
        worth = np.array([WAYS["trained"][rating] for rating in RATINGS])
        ease: FloatArray = found @ worth
        return ease

    def save(self, out: Path, about: dict[str, Any]) -> None:
        """Write weights, tokenizer with its template, and what the model was trained on."""
        self.tokenizer.chat_template = TEMPLATE
        self.model.save_pretrained(out)
        self.tokenizer.save_pretrained(out)
        (out / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def fine_tune(
    outcomes: Outcomes,
    weak: str,
    folder: Path,
    out: Path,
    settings: Settings | None = None,
    say: Say = lambda text: None,
) -> Tuned:
    """Train the model in `folder` to rate how well `weak` answers, and write the best epoch to `out`.

    The target of a row is soft: a quality q stands at 1 + 4 q on the scale, between two ratings, which share it. The
    loss is the cross-entropy over the whole vocabulary, so that the rating tokens also win against all others.

    Source: causal_llm of RouteLLM (Ong et al. 2024). Differs: ratings come from recorded outcomes, not from a judge;
    the tokens are digits that every vocabulary has, not new ones; and the epoch is chosen on rows held out.

    Raises DataError for fewer than 10 outcomes of `weak`, UnknownModel, and ConfigError as `Rater.load` does.
    """
    settings = settings or Settings()
    torch, _ = _libraries()
    torch.manual_seed(settings.seed)
    rater = Rater.load(folder, settings.max_tokens)
    train, test = _split(_rows(rater, outcomes, weak), settings)
    before = _loss_on(rater, test, settings.batch)
    best, best_epoch = float("inf"), 0
    about = {"way": "trained", "weak": weak, "base": folder.name, "trained_on": outcomes.name, **asdict(settings)}
    for epoch in _epochs(rater, train, settings):
        loss = _loss_on(rater, test, settings.batch)
        say(f"epoch {epoch}: log-loss {loss:.4f} on {len(test.ids)} rows held out")
        if loss < best:
            best, best_epoch = loss, epoch
            rater.save(out, {**about, "epoch": epoch, "rows": len(train.ids), "held_out_loss": loss})
    constant = -float(np.mean(test.target @ np.log(np.maximum(train.target.mean(axis=0), 1e-6))))
    return Tuned(len(train.ids), len(test.ids), before, constant, best, best_epoch)


def soft_ratings(quality: FloatArray) -> FloatArray:
    """Return shape (n_rows, 5): a quality in [0, 1] shared by the two ratings that it stands between."""
    place = np.asarray(quality, dtype=np.float64)[:, None] * (len(RATINGS) - 1)
    return np.maximum(0.0, 1.0 - np.abs(place - np.arange(len(RATINGS))))


def _rows(rater: Rater, outcomes: Outcomes, weak: str) -> Rows:
    quality = outcomes.quality[:, outcomes.column(weak)]
    known = np.flatnonzero(~np.isnan(quality))
    if len(known) < 10:
        raise DataError(f"{outcomes.name}: {len(known)} outcomes of {weak}; fine-tuning needs at least 10.")
    return Rows([rater.encode(outcomes.queries[i]) for i in known], soft_ratings(quality[known]))


def _split(rows: Rows, settings: Settings) -> tuple[Rows, Rows]:
    if not 0 < settings.held_out < 1:
        raise ConfigError(f"held_out must be between 0 and 1. Got {settings.held_out!r}.")
    order = np.random.default_rng(settings.seed).permutation(len(rows.ids)).tolist()
    n_test = max(1, round(settings.held_out * len(order)))
    return rows.take(order[n_test:]), rows.take(order[:n_test])


def _epochs(rater: Rater, train: Rows, settings: Settings) -> Iterator[int]:
    """Train, yielding the number of each epoch when it is done."""
    torch, _ = _libraries()
    random = np.random.default_rng(settings.seed)
    steps = settings.epochs * -(-len(train.ids) // settings.batch)
    optimizer = torch.optim.AdamW(rater.model.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for epoch in range(1, settings.epochs + 1):
        rater.model.train()
        order = random.permutation(len(train.ids)).tolist()
        for start in range(0, len(order), settings.batch):
            loss = _loss(rater, train.take(order[start : start + settings.batch]))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(rater.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        yield epoch


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm), 1.0)


def _loss(rater: Rater, rows: Rows) -> Any:
    torch, _ = _libraries()
    target = torch.tensor(rows.target, dtype=torch.float32, device=rater.model.device)
    return -(target * rater.log_probabilities(rows.ids)).sum(dim=-1).mean()


def _loss_on(rater: Rater, rows: Rows, batch: int) -> float:
    torch, _ = _libraries()
    rater.model.eval()
    with torch.no_grad():
        parts = [rows.take(range(i, min(i + batch, len(rows.ids)))) for i in range(0, len(rows.ids), batch)]
        return sum(float(_loss(rater, part)) * len(part.ids) for part in parts) / len(rows.ids)


def _rating_ids(folder: Path, tokenizer: Any) -> list[int]:
    """The token that follows the form for each rating; one token each, or a server could not show their chances."""
    form = tokenizer.encode(FORM, add_special_tokens=False)
    found = [tokenizer.encode(FORM + rating, add_special_tokens=False) for rating in RATINGS]
    if any(ids[:-1] != form for ids in found):
        raise ConfigError(f"{folder}: its tokenizer does not write {', '.join(RATINGS)} as one token each.")
    return [ids[-1] for ids in found]


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ConfigError(
            f"Fine-tuning needs {error.name}: pip install 'switchpoint[torch]' (torch and transformers)."
        ) from None
    return torch, transformers
