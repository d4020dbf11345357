"""How long answers will be, what they will cost, and how long they will take."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer, Attempt, Failure
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.errors import ConfigError, NotFittedError
from switchpoint.core.model import Model, Usage
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.estimators import artifact, tokens
from switchpoint.estimators.bills import implied_prices
from switchpoint.estimators.cost import ListPriceCost, TokenCost
from switchpoint.estimators.latency import Latency
from switchpoint.estimators.tokens import OutputTokens
from tests.estimators.conftest import make_model, make_outcomes

NAN = np.nan
PRICES = {"input_usd_per_mtok": Decimal(2), "output_usd_per_mtok": Decimal(10)}
STRANGE = [Query.of(text) for text in ("", "a " * 100_000, "\ud800", "法国的首都是什么？", "7" * 5000)]


def counted(n: int = 200, seed: int = 0) -> Outcomes:
    """Two models that write 20 or 200 tokens, by the kind of the query; the large one writes three times as much."""
    outcomes = make_outcomes(n, seed=seed)
    random = np.random.default_rng(seed)
    typical = np.where(np.array(outcomes.domains) == "maths", 200, 20)[:, None] * np.array([1.0, 3.0])
    written = np.rint(typical * np.exp(0.5 * random.standard_normal(typical.shape)))
    asked = np.array([query.input_tokens for query in outcomes.queries])[:, None]
    return replace(
        outcomes,
        output_tokens=written,
        input_tokens=np.tile(1.5 * asked, (1, 2)),
        latency_s=0.5 + written * np.array([0.01, 0.02]) * np.exp(0.1 * random.standard_normal(written.shape)),
    )


class TestOutputTokens:
    def test_they_follow_the_query_and_the_model(self) -> None:
        test = counted(100, seed=1)

        predicted = OutputTokens().fit(counted()).predict(test.queries).mean

        by_mean = np.abs(counted().output_tokens.mean(axis=0) - test.output_tokens).mean()
        assert np.abs(predicted - test.output_tokens).mean() < 0.6 * by_mean
        assert predicted.sum(axis=0) == pytest.approx(test.output_tokens.sum(axis=0), rel=0.15)

    def test_totals_are_those_that_were_observed(self) -> None:
        outcomes = counted()

        predicted = OutputTokens().fit(outcomes).predict(outcomes.queries).mean

        assert predicted.sum(axis=0) == pytest.approx(outcomes.output_tokens.sum(axis=0), rel=0.05)

    def test_without_anything_to_learn_they_are_the_mean(self) -> None:
        outcomes = counted()
        noise = np.random.default_rng(3).lognormal(4, 1, outcomes.quality.shape)

        predicted = OutputTokens().fit(replace(outcomes, output_tokens=noise)).predict(outcomes.queries).mean

        assert predicted == pytest.approx(np.tile(noise.mean(axis=0), (len(outcomes), 1)), rel=0.35)

    @settings(max_examples=25, deadline=None)
    @given(
        tokens=st.lists(st.sampled_from([NAN, 0.0, 1.0, 7.0, 5000.0]), min_size=1, max_size=12),
        copies=st.booleans(),
    )
    def test_whatever_was_counted_they_stay_in_its_range(self, tokens: list[float], copies: bool) -> None:
        outcomes = make_outcomes(len(tokens))
        queries = outcomes.queries[:1] * len(tokens) if copies else outcomes.queries
        outcomes = replace(outcomes, queries=queries, output_tokens=np.array([tokens, tokens]).T)

        predicted = OutputTokens().fit(outcomes).predict(STRANGE).mean

        if np.isnan(tokens).all():
            assert np.isnan(predicted).all()
        else:
            assert (predicted >= 1).all()
            assert (predicted <= 5000 * (1 + 1e-9)).all()

    def test_a_model_that_was_never_counted_is_unknown(self) -> None:
        outcomes = counted()
        outcomes.output_tokens[:, 1] = NAN

        predicted = OutputTokens().fit(outcomes).predict(STRANGE).mean

        assert np.isfinite(predicted[:, 0]).all()
        assert np.isnan(predicted[:, 1]).all()
        assert np.isnan(OutputTokens().fit(make_outcomes()).predict(STRANGE).mean).all()

    def test_one_answer_is_all_that_can_be_said_of_a_model(self) -> None:
        outcomes = replace(make_outcomes(1), output_tokens=np.array([[40.0, 0.0]]))

        predicted = OutputTokens().fit(outcomes).predict(STRANGE).mean

        assert predicted == pytest.approx(np.tile([40.0, 1.0], (len(STRANGE), 1)))

    def test_predictions_that_left_a_row_out_are_those_of_a_fit_without_it(self, monkeypatch) -> None:
        monkeypatch.setattr(tokens, "RIDGES", (10.0,))
        monkeypatch.setattr(tokens, "sight", lambda columns, recipe: np.ones(columns.shape[1] - 1))
        random = np.random.default_rng(0)
        columns = np.hstack([random.standard_normal((60, 36)), np.ones((60, 1))])
        logs = columns[:, 0] + random.standard_normal(60)

        left_out = tokens._ridge(columns, logs)[1]

        rest = np.arange(60) != 7
        assert left_out[7] == pytest.approx(columns[7] @ tokens._ridge(columns[rest], logs[rest])[0])


class TestTokenCost:
    def test_it_is_tokens_times_prices(self) -> None:
        outcomes = counted()
        models = [make_model("small", **PRICES), make_model("large", **PRICES, samples=2)]

        cost = TokenCost(models).fit(outcomes).predict(outcomes.queries).mean

        asked = 1.5 * np.array([query.input_tokens for query in outcomes.queries])[:, None]
        tokens = OutputTokens().fit(outcomes).predict(outcomes.queries).mean
        # What was counted is of the whole call, so the two samples are in it.
        assert cost == pytest.approx((asked * 2 + tokens * 10) / 1e6)

    def test_before_fitting_it_is_the_list_price(self) -> None:
        models = [make_model("small", **PRICES, output_tokens=77), make_model("large", **PRICES, samples=3)]

        cost = TokenCost(models).predict(STRANGE).mean

        assert cost == pytest.approx(ListPriceCost(models).predict(STRANGE).mean)

    @pytest.mark.parametrize(("share", "price", "usd"), [(0.0, "0.2", 2.0), (0.5, "0.2", 1.1), (0.5, None, 2.0)])
    def test_cached_input_has_its_own_price_where_there_is_one(
        self, share: float, price: str | None, usd: float
    ) -> None:
        cached = None if price is None else Decimal(price)
        model = make_model("m", **PRICES, cached_input_usd_per_mtok=cached, output_tokens=0)
        query = Query.of("x" * 4000)

        cost = TokenCost([model], cached_share=share).predict([query]).mean

        assert cost[0, 0] == pytest.approx(1000 * usd / 1e6)

    def test_the_models_own_preamble_is_paid_for(self) -> None:
        preamble = ({"role": "system", "content": "x" * 4000},)
        bare, led = make_model("bare", **PRICES), make_model("led", **PRICES, preamble=preamble)

        [[one, other]] = TokenCost([bare, led]).predict([Query.of("x")]).mean

        assert other - one == pytest.approx(1000 * 2 / 1e6)

    def test_without_tokens_it_is_the_mean_bill_and_without_bills_the_list_price(self) -> None:
        outcomes = make_outcomes()
        outcomes.cost_usd[:, 1] = NAN
        models = [make_model("small"), make_model("large", **PRICES), make_model("new", **PRICES), make_model("free")]

        cost = TokenCost(models).fit(outcomes).predict(outcomes.queries[:2]).mean

        assert cost[:, 0] == pytest.approx([0.001, 0.001])
        assert cost[:, 1:3] == pytest.approx(ListPriceCost(models[1:3]).predict(outcomes.queries[:2]).mean)
        assert np.isnan(cost[:, 3]).all()

    def test_a_price_that_nobody_states_is_the_one_that_the_bills_imply(self) -> None:
        outcomes = counted()
        outcomes.cost_usd[:] = (2 * outcomes.input_tokens + 10 * outcomes.output_tokens) / 1e6
        listed = TokenCost([make_model("small", **PRICES), make_model("large", **PRICES)]).fit(outcomes)

        implied = TokenCost.learned(outcomes)

        assert implied.follows_queries
        assert implied.predict(outcomes.queries).mean == pytest.approx(listed.predict(outcomes.queries).mean)

    def test_bills_that_tokens_do_not_explain_imply_no_price(self) -> None:
        cost = TokenCost.learned(counted())

        assert not cost.follows_queries
        assert cost.predict(STRANGE).mean == pytest.approx(np.tile([0.001, 0.002], (len(STRANGE), 1)))

    @given(
        usd=st.tuples(st.floats(0, 1e-4), st.floats(1e-7, 1e-4)),
        tokens=st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=3, max_size=20, unique=True),
    )
    def test_implied_prices_give_the_bills_back(self, usd: tuple[float, float], tokens: list[tuple[int, int]]) -> None:
        counts = np.array(tokens, dtype=float)

        prices = implied_prices(counts, counts @ usd)

        assert np.isnan(prices).all() or counts @ prices == pytest.approx(counts @ usd, rel=1e-6)
        assert np.isnan(prices).all() or min(prices) >= 0

    def test_it_is_bound_to_a_catalog_by_the_ids_of_its_models(self) -> None:
        learned = TokenCost.learned(counted())
        models = [make_model("new", **PRICES), make_model("large", **PRICES)]

        cost = learned.bind(models).predict(STRANGE).mean

        whole = TokenCost([make_model("small", **PRICES), models[1]]).fit(counted()).predict(STRANGE).mean
        assert cost[:, 1] == pytest.approx(whole[:, 1])
        assert cost[:, 0] == pytest.approx(TokenCost(models[:1]).predict(STRANGE).mean[:, 0])

    def test_a_zero_price_is_not_unknown(self) -> None:
        free = make_model("small", input_usd_per_mtok=Decimal(0), output_usd_per_mtok=Decimal(0))

        cost = TokenCost([free]).fit(counted()).predict(STRANGE).mean

        assert (cost == 0).all()

    @pytest.mark.parametrize("share", [-0.1, 1.1, NAN])
    def test_a_share_beyond_the_whole_is_refused(self, share: float) -> None:
        with pytest.raises(ConfigError, match=r"cached_share must be in \[0, 1\]"):
            TokenCost([], cached_share=share)


class TestLatency:
    def test_long_answers_take_long(self) -> None:
        test = counted(200, seed=1)
        latency = Latency(OutputTokens().fit(counted())).fit(counted())

        p50, p90 = latency.predict(test.queries).mean, latency.p90(test.queries)

        maths = np.array(test.domains) == "maths"
        assert (p50[maths].mean(axis=0) > 3 * p50[~maths].mean(axis=0)).all()
        assert (test.latency_s <= p50).mean() == pytest.approx(0.5, abs=0.1)
        assert (test.latency_s <= p90).mean() == pytest.approx(0.9, abs=0.07)

    @pytest.mark.parametrize("outliers", [0, 20])
    def test_the_line_is_that_of_the_ordinary_answers(self, outliers: int) -> None:
        outcomes = counted(100)
        outcomes.latency_s[:] = 0.25 + 0.004 * outcomes.output_tokens
        outcomes.latency_s[:outliers] = 600.0

        pace = Latency().fit(outcomes)._pace

        assert pace.per_token_s == pytest.approx([0.004, 0.004], rel=0.05)
        assert pace.start_s == pytest.approx([0.25, 0.25], rel=0.25)

    def test_many_answers_are_fitted_from_drawn_pairs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("switchpoint.estimators.latency.MAX_PAIRS", 200)
        outcomes = counted(200)
        outcomes.latency_s[:] = 0.25 + 0.004 * outcomes.output_tokens

        assert Latency().fit(outcomes)._pace.per_token_s == pytest.approx([0.004, 0.004])

    def test_without_lengths_it_is_what_was_usual(self) -> None:
        seconds = np.tile(np.arange(1.0, 12.0)[:, None], (1, 2))
        outcomes = replace(make_outcomes(11), latency_s=seconds)

        latency = Latency().fit(outcomes)

        assert (latency.predict(STRANGE).mean == 6.0).all()
        assert latency.p90(STRANGE) == pytest.approx(np.full((len(STRANGE), 2), 10.0))

    @settings(max_examples=50, deadline=None)
    @given(
        rows=st.lists(
            st.tuples(st.sampled_from([NAN, 0.0, 0.1, 9.0]), st.sampled_from([NAN, 0.0, 3.0, 900.0])),
            min_size=1,
            max_size=20,
        )
    )
    def test_whatever_was_timed_it_is_known_and_ordered_or_unknown(self, rows: list[tuple[float, float]]) -> None:
        seconds, tokens = np.array(rows).T
        outcomes = replace(
            make_outcomes(len(rows)), latency_s=np.tile(seconds[:, None], 2), output_tokens=np.tile(tokens[:, None], 2)
        )

        latency = Latency().fit(outcomes)

        p50, p90 = latency.predict(STRANGE).mean, latency.p90(STRANGE)
        assert np.isnan(p50).all() == np.isnan(seconds).all()
        assert np.isnan(p50).all() or ((p50 >= 0) & (p50 <= p90)).all()

    def test_a_model_that_was_never_timed_is_unknown(self) -> None:
        outcomes = counted()
        outcomes.latency_s[:, 0] = NAN

        latency = Latency(OutputTokens().fit(outcomes)).fit(outcomes)

        assert np.isnan(latency.predict(STRANGE).mean[:, 0]).all()
        assert np.isfinite(latency.predict(STRANGE).mean[:, 1]).all()

    def test_records_teach_the_same_line_failures_and_other_models_left_out(self) -> None:
        records = [record(tokens=10 * i, latency_s=1 + 0.1 * i) for i in range(1, 20)]
        records += [record(tokens=10, latency_s=99.0, failed=True), record("other", tokens=10, latency_s=99.0)]

        latency = Latency().fit_records(records, ("mini", "never"))

        assert latency.models_ == ("mini", "never")
        assert latency._pace.per_token_s[0] == pytest.approx(0.01)
        assert latency._pace.start_s[0] == pytest.approx(1.0)
        assert np.isnan(latency.predict(STRANGE).mean[:, 1]).all()


def record(model: str = "mini", *, tokens: int | None, latency_s: float, failed: bool = False) -> Record:
    attempt = Attempt(
        decision=Decision(model=model, router="r", reason=Reason.FIXED),
        answer=Answer(text="x", usage=Usage(output_tokens=tokens), body={}),
        failure=Failure(kind="BadAnswer", message="cut") if failed else None,
        latency_s=latency_s,
    )
    return Record(
        id="1",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        query_id="q",
        route="r",
        strategy="r",
        attempts=(attempt,),
        accepted=None,
        outcome="answered",
        decide_s=0.0,
        latency_s=latency_s,
    )


def models() -> list[Model]:
    return [make_model("large", **PRICES), make_model("small", **PRICES), make_model("new", **PRICES)]


FITTED = {
    "output_tokens": lambda: OutputTokens().fit(counted()),
    "token_cost": lambda: TokenCost(models()).fit(counted()),
    "token_cost, not fitted": lambda: TokenCost(models()),
    "token_cost, bound": lambda: TokenCost.learned(counted()).bind(models()),
    "latency": lambda: Latency().fit(counted()),
    "latency with tokens": lambda: Latency(OutputTokens().fit(counted())).fit(counted()),
}
every = pytest.mark.parametrize("make", FITTED.values(), ids=FITTED)


@every
def test_what_is_written_is_what_is_read(make, tmp_path: Path) -> None:
    estimator = make()

    artifact.write(estimator, tmp_path, created="2026-01-01")
    restored = type(estimator).restore(artifact.read(tmp_path, estimator.kind))

    assert restored.models_ == estimator.models_
    np.testing.assert_array_equal(restored.predict(STRANGE).mean, estimator.predict(STRANGE).mean)


@every
def test_other_queries_in_the_batch_do_not_matter(make) -> None:
    estimator = make()

    together = estimator.predict(STRANGE).mean

    alone = np.concatenate([estimator.predict([query]).mean for query in STRANGE])
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert estimator.predict([]).mean.shape == (0, len(estimator.models_))


@pytest.mark.parametrize("made", [OutputTokens(), Latency()], ids=["output_tokens", "latency"])
def test_before_fitting_it_says_so(made: OutputTokens | Latency) -> None:
    for ask in (lambda: made.predict(STRANGE), lambda: made.models_, made.state):
        with pytest.raises(NotFittedError, match="Call fit first"):
            ask()
