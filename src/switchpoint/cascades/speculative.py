"""Speculative cascades: a weak model drafts, a strong one checks, token by token or chunk by chunk.

At each position the draft has a next-token distribution q and the strong model p. A deferral rule says which of the two
is followed; the mixture of both that results is sampled exactly by accepting or rejecting the drafted token. All of it
is arithmetic on the two distributions, which only a server that holds both models has. What an API can give instead,
log-probabilities of the strong model on a draft, is read by `chunk_evidence`.

Source: Narasimhan et al., Faster Cascades via Speculative Decoding (2025); the acceptance is of Leviathan et al.,
Fast Inference from Transformers via Speculative Decoding (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.query import BoolArray, FloatArray

Deferral = Callable[[FloatArray, FloatArray, float], FloatArray]
"""From (draft, strong, alpha), distributions of shape (..., n_tokens), to 1 where the strong model is followed, else 0.

Of shape (..., 1) for the position as a whole, or (..., n_tokens) for each token that might have been drafted. A larger
alpha defers less.
"""


def always(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """Follow the strong model: plain speculative decoding, which loses nothing."""
    return np.ones((*draft.shape[:-1], 1))


def chow(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """Defer where the draft is unsure: max q < 1 - alpha."""
    return _yes(_top(draft) < 1 - alpha)


def difference(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """Defer where the strong model is surer by more than alpha: max q < max p - alpha."""
    return _yes(_top(draft) < _top(strong) - alpha)


def optimal(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """Charge deferring for the tokens that it rejects: max q < max p - alpha D_TV(p, q)."""
    return _yes(_top(draft) < _top(strong) - alpha * distance(draft, strong)[..., None])


def log_loss_difference(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """As `difference` for the logarithmic loss: H(p) < H(q) - alpha, in nats."""
    return _yes(entropy(strong) < entropy(draft) - alpha)


def log_loss_optimal(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """As `optimal` for the logarithmic loss: H(p) < H(q) - alpha D_TV(p, q), in nats."""
    return _yes(entropy(strong) < entropy(draft) - alpha * distance(draft, strong)[..., None])


def token_v1(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """Defer on tokens of which the draft is less sure than the strong model is of its best: q(v) < max p - alpha."""
    return _yes(draft < _top(strong) - alpha)


def token_v2(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """Defer on tokens that the strong model finds much worse than its best: p(v) < max p - alpha."""
    return _yes(strong < _top(strong) - alpha)


def token_v3(draft: FloatArray, strong: FloatArray, alpha: float) -> FloatArray:
    """Defer on tokens outside the strong model's top set: p(v) < (1 - alpha) max p."""
    return _yes(strong < (1 - alpha) * _top(strong))


DEFERRALS: Mapping[str, Deferral] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            always,
            chow,
            difference,
            optimal,
            log_loss_difference,
            log_loss_optimal,
            token_v1,
            token_v2,
            token_v3,
        )
    }
)


def target(draft: FloatArray, strong: FloatArray, defer: FloatArray) -> FloatArray:
    """Return the distribution that a deferral aims at: q (1 - r) + p * sum of r q, shape (..., n_tokens).

    defer : r of a `Deferral`. For a whole position that is (1 - r) q + r p.
    """
    passed_on = (defer * draft).sum(axis=-1, keepdims=True)
    mixed: FloatArray = draft * (1 - defer) + strong * passed_on
    return mixed


def acceptance(draft: FloatArray, aim: FloatArray) -> FloatArray:
    """Return the probability of keeping each token that was drafted: min(1, aim / q); 1 where q is 0."""
    kept: FloatArray = np.divide(np.minimum(draft, aim), draft, out=np.ones_like(draft), where=draft > 0)
    return kept


def residual(draft: FloatArray, aim: FloatArray) -> FloatArray:
    """Return what is drawn from after a rejection: max(0, aim - q), normalised; the aim where nothing is rejected."""
    more = np.maximum(aim - draft, 0.0)
    mass = more.sum(axis=-1, keepdims=True)
    drawn: FloatArray = np.divide(more, mass, out=aim.copy(), where=mass > 0)
    return drawn


def distance(draft: FloatArray, strong: FloatArray) -> FloatArray:
    """Return the total variation D_TV = sum of max(0, p - q), shape (...): how often a drafted token is rejected."""
    total: FloatArray = np.maximum(strong - draft, 0.0).sum(axis=-1)
    return total


def entropy(distribution: FloatArray) -> FloatArray:
    """Return the entropy in nats, shape (..., 1)."""
    logs = np.log(distribution, out=np.zeros_like(distribution), where=distribution > 0)
    nats: FloatArray = -(distribution * logs).sum(axis=-1, keepdims=True)
    return nats


class Chunk(NamedTuple):
    """What a strong model says of a chunk that another one wrote.

    mean, low : of the log-probabilities of its tokens, nats: their mean and a low quantile.
    agreement : share of the tokens that the strong model would have put there itself; NaN is unknown.
    """

    mean: float
    low: float
    agreement: float


def chunk_evidence(logprobs: FloatArray, best_logprobs: FloatArray | None = None, quantile: float = 0.1) -> Chunk:
    """Sum up the strong model's log-probabilities of a draft.

    logprobs : of each drafted token, natural logarithm, shape (n_tokens,). best_logprobs : of the strong model's own
    choice at the same place; None where it is not told.

    Raises DataError for a chunk without a token, with an unknown log-probability, or of two lengths.
    """
    if not len(logprobs) or np.isnan(logprobs).any():
        raise DataError(f"A chunk needs a log-probability of each token. Got {np.asarray(logprobs).tolist()!r}.")
    if best_logprobs is not None and len(best_logprobs) != len(logprobs):
        raise DataError(f"best_logprobs must be one for each of {len(logprobs)} tokens. Got {len(best_logprobs)}.")
    # Servers round what they report; a token is its own best to a millionth.
    own = np.nan if best_logprobs is None else float((logprobs >= best_logprobs - 1e-6).mean())
    return Chunk(float(np.mean(logprobs)), float(np.quantile(logprobs, quantile)), own)


def good_prefix(logprobs: FloatArray, floor: float) -> int:
    """Return how many tokens of a draft stand before the first that the strong model finds less likely than `floor`."""
    worse = np.flatnonzero(~(np.asarray(logprobs) >= floor))
    return int(worse[0]) if len(worse) else len(logprobs)


def _top(distribution: FloatArray) -> FloatArray:
    top: FloatArray = distribution.max(axis=-1, keepdims=True)
    return top


def _yes(condition: BoolArray) -> FloatArray:
    return condition.astype(float)
