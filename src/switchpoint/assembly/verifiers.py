"""The verifiers of a configuration, by name, beside those that need none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from switchpoint.assembly.cascades import scorers
from switchpoint.assembly.preparations import embeddings_of
from switchpoint.config.cascades import TrainedCascadeSection
from switchpoint.config.schema import Config
from switchpoint.config.verifiers import (
    AskingVerifier,
    CodeVerifier,
    FormatVerifier,
    JudgeVerifier,
    LearnedVerifier,
    PTrueVerifier,
    PythonVerifier,
    RewardVerifier,
    SelfCheckVerifier,
    VerifierSection,
)
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.protocols import Upstream, Verifier
from switchpoint.upstreams.embeddings import Embeddings
from switchpoint.verifiers import VERIFIERS
from switchpoint.verifiers.asking import Asking
from switchpoint.verifiers.callables import Called, load_function
from switchpoint.verifiers.code import code_check, read_tests
from switchpoint.verifiers.format import format_check
from switchpoint.verifiers.judge import RUBRIC, Judge, Rubric
from switchpoint.verifiers.reward import Reader, RewardModel, by_number, by_vector, by_words
from switchpoint.verifiers.sandbox import Sandbox
from switchpoint.verifiers.self_check import PTrue, Rescored, SelfCheck


class Verifiers:
    """Makes the verifiers; nothing is called yet.

    by_name : those of the configuration, and those of the room's table.

    Raises ConfigError with every fault and its place: a model that cannot give log-probabilities where they are needed,
    a function that is not there, a scale that does not rise, a sandbox that cannot be set up.
    """

    def __init__(self, config: Config, catalog: Catalog, upstreams: Mapping[str, Upstream]) -> None:
        self._config, self._catalog, self._upstreams = config, catalog, upstreams
        self._embeddings: list[Embeddings] = []
        self.by_name: dict[str, Verifier] = {name: load_function(place) for name, place in VERIFIERS.items()}
        for name, cascade in config.cascades.items():
            if isinstance(cascade, TrainedCascadeSection) and cascade.verifier is None:
                self.by_name |= scorers(name, cascade)
        problems: list[str] = []
        for name, section in config.verifiers.items():
            try:
                self.by_name[name] = self._made(section)
            except (ConfigError, DataError) as error:
                told = error.problems if isinstance(error, ConfigError) else (str(error),)
                problems += [f"verifiers.{name}: {problem}" for problem in told]
        if problems:
            raise ConfigError(problems)

    async def close(self) -> None:
        """Release their own connections; a model's are those of its upstream."""
        for embeddings in self._embeddings:
            await embeddings.close()

    def _made(self, section: VerifierSection) -> Verifier:
        match section:
            case SelfCheckVerifier(samples=samples, at_once=at_once, max_tokens=max_tokens, scores=scores):
                check = SelfCheck(self._asking(section), samples=samples, at_once=at_once, max_tokens=max_tokens)
                return check if scores is None else Rescored(check, scores)
            case PTrueVerifier():
                return PTrue(self._asking(section))
            case JudgeVerifier(rubric=text, low=low, high=high, max_tokens=max_tokens):
                rubric = Rubric(RUBRIC if text is None else text, low, high)
                return Judge(self._asking(section), rubric=rubric, max_tokens=max_tokens)
            case RewardVerifier(slope=slope, intercept=intercept):
                return RewardModel(self._reader(section), slope=slope, intercept=intercept)
            case PythonVerifier(function=name, time_box_s=time_box_s, at_once=at_once):
                return Called(load_function(name), time_box_s=time_box_s, at_once=at_once)
            case FormatVerifier(form=form, pattern=pattern, max_words=max_words, of=of):
                return format_check(form, pattern=pattern, max_words=max_words, of=of)
            case CodeVerifier():
                return _code(section)
            case LearnedVerifier(artifact=folder):
                load: Any = load_function("switchpoint.verifiers.encoder:load")  # only who uses one pays for it
                return cast(Verifier, load(folder))

    def _reader(self, section: RewardVerifier) -> Reader:
        if section.embeddings is not None:
            made = embeddings_of(section.embeddings, self._config.embeddings[section.embeddings])
            self._embeddings.append(made)
            return by_vector(made.embed)
        assert section.model is not None  # checked with the references
        asking = self._asking(AskingVerifier(model=section.model, time_box_s=section.time_box_s))
        if section.read == "number":
            return by_number(asking, field=section.field)
        return by_words(asking, good=section.good, bad=section.bad)

    def _asking(self, section: AskingVerifier) -> Asking:
        model = self._catalog[section.model]
        return Asking(model, self._upstreams[model.upstream], time_box_s=section.time_box_s)


def _code(section: CodeVerifier) -> Verifier:
    sandbox = Sandbox(time_s=section.time_s, memory_mb=section.memory_mb)
    # In a thread of its own, because a configuration may be wired while an event loop runs.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, sandbox.check()).result()
    return code_check(read_tests(section.tests), sandbox)
