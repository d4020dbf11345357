"""Assess: read the data, take leaks out, make the router, evaluate it. One sequence, no arithmetic of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from time import perf_counter

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.evaluation.evaluate import evaluate
from switchpoint.evaluation.report import Evaluation
from switchpoint.learning.assess_cascade import CASCADES, assess_cascade
from switchpoint.learning.datasets import Folder, Split, read, read_many, without_overlap
from switchpoint.learning.leaks import groups
from switchpoint.learning.routers import make_router, options, recipe

Say = Callable[[str], None]


def assess(
    router: str,
    *,
    test: Folder | Sequence[Folder],
    test_split: Split = "test",
    train: Sequence[Folder] = (),
    train_split: Split = "train",
    models: Sequence[str] | None = None,
    weak: str | None = None,
    strong: str | None = None,
    shake: bool = False,
    by_group: bool = False,
    say: Say = lambda text: None,
) -> Evaluation:
    """Evaluate a router, or a trained cascade, by name on one folder (or several as one), trained on others.

    Training rows whose text stands in the test are removed first. Models are those of the test that the training has
    outcomes of too; without training data and without `models`, the named pair. `shake` measures the robustness of
    the decisions too; `by_group` draws near-duplicate groups of test queries for the intervals. `say` is told what a
    person should know meanwhile.

    Raises DataError, ConfigError or UnknownModel.
    """
    cascade = router in CASCADES
    if models is None and not train and weak is not None and strong is not None:
        models = (weak, strong)
    tested = _read(test, test_split, models, cascade, say)
    known, removed = None, 0
    if train:
        known, removed = without_overlap(read_many(train, train_split, say=say, answers=cascade), tested)
        say(f"{removed} training rows whose text stands in the test were removed; {len(known)} are left.")
        known, tested = with_common_models(known, tested, say)
    if cascade:
        return assess_cascade(
            router,
            tested,
            known,
            weak=weak,
            strong=strong,
            n_train_removed=removed,
            groups=groups if by_group else None,
            say=say,
        )
    found = recipe(router)
    start = perf_counter()
    estimator = make_router(router, known, options(tested.models, weak, strong))
    seconds = perf_counter() - start
    return evaluate(
        estimator,
        tested,
        router=router,
        train=known,
        weak=weak,
        strong=strong,
        probabilities=found.probabilities,
        train_s=seconds if found.learns else None,
        n_train_removed=removed,
        shake=shake,
        groups=groups(tested) if by_group else None,
    )


def _read(
    test: Folder | Sequence[Folder], split: Split, models: Sequence[str] | None, answers: bool, say: Say
) -> Outcomes:
    folders = [test] if isinstance(test, str | PathLike) else list(test)
    if len(folders) == 1:
        return read(folders[0], split, models, answers=answers)
    return read_many(folders, split, models, say=say, answers=answers)


def with_common_models(train: Outcomes, test: Outcomes, say: Say) -> tuple[Outcomes, Outcomes]:
    """Return both with the models that both have outcomes of, in the order of the test."""
    shared = [model for model in test.models if model in train.models]
    if not shared:
        raise DataError(
            f"No model stands in the training data and in the test: {train.name} has {', '.join(train.models)}; "
            f"{test.name} has {', '.join(test.models)}."
        )
    missing = [model for model in test.models if model not in train.models]
    if missing:
        say(f"Not evaluated, since {train.name} has no outcome of them: {', '.join(missing)}.")
    return train.of(shared), test.of(shared)
