"""A whole decision by the bundled router (tokenise, embed, estimate, decide), in one thread, beside scikit-learn.

Seconds of the processor; of a conversation the session is looked up before, and is none of this.
The baseline is what one would write in five lines: hashed word n-grams and a logistic regression for each model.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import random
import time

import numpy as np

from benchmarks.timing import in_turns, us
from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.core.query import Query

CONFIGURATION = {
    "upstreams": {"fake": {"kind": "fake", "script": {"weak": ["x"], "strong": ["x"]}}},
    "models": {
        "weak": {"upstream": "fake", "tier": "weak", "input_usd_per_mtok": 0.2, "output_usd_per_mtok": 1},
        "strong": {"upstream": "fake", "tier": "strong", "input_usd_per_mtok": 2, "output_usd_per_mtok": 10},
    },
    "records": {"enabled": False},
    "sessions": {"enabled": False},
}
ORDINARY = """
    the of and to in is you that it he was for on are as with his they at be this have from or one had by word
    but not what all were we when your can said there use an each which she do how their if will up other about
    out many then them these so some her would make like him into time has look two more write go see number no
    way could people my than first water been call who oil its now find long down day did get come made may part
    Compute prove integral theorem function derivative matrix probability molecule enzyme treaty constitution
    inflation
"""
WORDS = ORDINARY.split()
ROUNDS = 2000


def text(n_tokens: int, seed: int) -> str:
    """Words that are one token each, with some numbers and punctuation."""
    drawn = random.Random(seed)
    return " ".join(drawn.choice(WORDS) for _ in range(n_tokens - 4)) + f" {drawn.randrange(10, 99)}, ok?"


def fresh(n_tokens: int, rounds: int):
    """Return a function that gives a query never seen before each time: a query keeps what was worked out of it."""
    texts = [text(n_tokens, seed) for seed in range(200)]
    queries = iter([Query.of(texts[number % 200]) for number in range(rounds + 50)])
    return lambda: next(queries)


def measure() -> list[dict[str, str]]:
    switchpoint = Switchpoint.of(CONFIGURATION)
    router = switchpoint.routes.resolve("bundled")
    baseline = sklearn_baseline()
    lines = [single(router, baseline, n_tokens, block) for block in (100, 1) for n_tokens in (50, 300)]
    return [*lines, flat(router), batch(switchpoint, baseline)]


def single(router, baseline, n_tokens: int, block: int) -> dict[str, str]:
    """One decision at a time; in blocks of its own, or each one after a decision of the baseline's."""
    query, words = fresh(n_tokens, ROUNDS), fresh(n_tokens, ROUNDS)
    work = {"ours": lambda: router.next(query(), ()), "sklearn": lambda: baseline([words().text])}
    seconds = in_turns(work, ROUNDS, block=block, clock=time.thread_time)
    p50, p99 = np.quantile(seconds["ours"], (0.5, 0.99))
    caches = "" if block > 1 else ", cold caches"
    return {
        "what": f"a decision on {n_tokens} tokens{caches}, p50 (p99 {us(p99)})",
        "value": us(p50),
        "beside": f"{np.median(seconds['sklearn']) / p50:.1f}x faster than scikit-learn",
    }


def flat(router) -> dict[str, str]:
    """Deciding reads a bounded part of the prompt: a megabyte costs about what ten kilobytes do."""
    sizes = {"10 kB": 10_000, "1 MB": 1_000_000}
    texts = {name: (text(300, 1) * 700)[:size] for name, size in sizes.items()}
    assert {name: len(each) for name, each in texts.items()} == sizes
    messages = {name: ({"role": "user", "content": each},) for name, each in texts.items()}
    work = {n: (lambda m=m: router.next(Query(id="q", messages=m), ())) for n, m in messages.items()}
    p99 = {name: np.quantile(each, 0.99) for name, each in in_turns(work, rounds=1000, clock=time.thread_time).items()}
    ratio = f"{p99['1 MB'] / p99['10 kB']:.2f}x the p99 of 10 kB ({us(p99['10 kB'])})"
    return {"what": "a decision on 1 MB, p99", "value": us(p99["1 MB"]), "beside": ratio}


def batch(switchpoint: Switchpoint, baseline) -> dict[str, str]:
    router = switchpoint.routes.resolve("bundled").strategy
    queries = [Query.of(text(50, seed)) for seed in range(2000)]
    texts = [query.text for query in queries]

    def decide() -> object:
        return router.route([Query(id=query.id, messages=query.messages) for query in queries])

    seconds = in_turns({"ours": decide, "sklearn": lambda: baseline(texts)}, 7, warm_up=1, clock=time.thread_time)
    ours, theirs = (len(queries) / np.median(seconds[name]) for name in ("ours", "sklearn"))
    return {
        "what": "decisions in batches of 2,000, 50 tokens each, per second",
        "value": f"{ours:,.0f}",
        "beside": f"{ours / theirs:.1f}x scikit-learn's",
    }


def sklearn_baseline():
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = HashingVectorizer(ngram_range=(1, 2))
    features = vectorizer.transform([text(50, seed) for seed in range(400)])
    random_labels = np.random.default_rng(0).integers(0, 2, size=(2, 400))
    heads = [LogisticRegression().fit(features, labels) for labels in random_labels]

    def decide(texts: list[str]) -> np.ndarray:
        x = vectorizer.transform(texts)
        return np.argmax([head.predict_proba(x)[:, 1] for head in heads], axis=0)

    return decide
