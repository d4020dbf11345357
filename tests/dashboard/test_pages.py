"""The pages show what is in the log, all of it escaped."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from math import nan

import pytest

from switchpoint.core.attempt import Answer, Failure, Verdict
from switchpoint.core.decision import Reason
from switchpoint.core.errors import RequestError
from switchpoint.core.record import Record
from switchpoint.dashboard.pages import record_page, records_page
from switchpoint.records.reader import RecordReader

Fill = Callable[..., RecordReader]
EVIL = "<script>alert(1)</script>\"'&"


class Visible(HTMLParser):
    """Collects the text that a reader sees, the tags, and the attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def hrefs(self) -> list[str]:
        return [value for name, value in self.attributes if name == "href"]


def test_an_empty_log_says_what_to_do(fill: Fill):
    text = Visible(records_page(fill())).text

    assert "No records yet" in text
    assert "/v1/chat/completions" in text


def test_the_totals_are_shown_first(fill: Fill):
    text = Visible(records_page(fill(n=10, helpful=0.5))).text

    for shown in ("Queries 10", "Cost $0.0221", "Baseline cost $0.100", "Saved $0.0779", "78% of the baseline"):
        assert shown in text


def test_every_model_has_a_bar_of_its_share(fill: Fill, record: Record):
    other = replace(record, id="rec-x", accepted=0)
    page = Visible(records_page(fill(other, n=3)))

    assert [value for name, value in page.attributes if name == "width"] == ["75.00", "25.00"]


def test_escalations_and_waste_are_shown_by_route_and_overall(fill: Fill, record: Record):
    straight = replace(record, id="rec-x", attempts=record.attempts[1:], accepted=0, route="plain")
    text = Visible(records_page(fill(straight, n=3))).text

    assert "auto 3 3 100% 44% to 100% $0.110 plain 1 1 100% 21% to 100% $0.00 all routes 4 4 100% 51% to 100%" in text


def test_layers_are_shown_with_the_feedback_on_what_they_settled(fill: Fill, record: Record):
    first, last = record.attempts
    layered = replace(record, attempts=(first, replace(last, decision=replace(last.decision, layer="cascade"))))

    assert "cascade 100% 1 1 helpful 0.25" in Visible(records_page(fill(layered, helpful=0.25))).text


def test_the_latest_records_are_listed_with_their_feedback(fill: Fill):
    text = Visible(records_page(fill(n=1, helpful=0.5))).text

    assert (
        "2026-03-01 12:00:00 auto large the answer before was not good enough "
        "$0.00221 $0.00779 1.0 s answered after 2 calls helpful 0.50"
    ) in text


def test_what_is_unknown_is_shown_as_unknown(fill: Fill, record: Record):
    lost = replace(record, attempts=(), accepted=None, outcome="failed", baseline_cost_usd=None)

    text = Visible(records_page(fill(lost))).text

    assert "2026-03-01 12:00:00 auto – – $0.00 – 1.0 s failed –" in text


def test_pages_follow_each_other_without_loss(fill: Fill):
    reader = fill(n=5)
    first = Visible(records_page(reader, limit=3)).hrefs()
    second = Visible(records_page(reader, limit=3, before="rec-02")).hrefs()

    assert first == ["records", "records/rec-04", "records/rec-03", "records/rec-02", "records?before=rec-02"]
    assert second == ["records", "records/rec-01", "records/rec-00", "records"]


def test_the_last_page_offers_nothing_older(fill: Fill):
    assert not [href for href in Visible(records_page(fill(n=3), limit=3)).hrefs() if "before" in href]


def test_a_page_before_an_unknown_record_is_refused(fill: Fill):
    with pytest.raises(RequestError):
        records_page(fill(n=1), before="nobody")


def test_the_story_of_a_query_is_told_whole(fill: Fill, record: Record):
    text = Visible(record_page(fill(record, helpful=1.0), "rec-00")).text

    for shown in (
        "large answered",
        "1 small 0.61 – cheap first rejected, score 0.31 $0.000100 200 ms",
        "1 verdict of checks score 0.31 $0.0000100",
        "Answer given $0.00210 Discarded drafts $0.000100 Verifying $0.0000100 Preparing $0.00",
        "2 large – – the answer before was not good enough accepted $0.00210 700 ms",
        "Cost $0.00221",
        "0.4 ms of it deciding",
        "user helpful 1.00",
        "1,234",
        "Not stored",
    ):
        assert shown in text


def test_a_missing_score_an_abandoned_beginning_and_a_layer_are_told(fill: Fill, record: Record):
    late = Verdict(score=nan, cost_usd=None, verifier="judge", detail="timed out")
    begun = replace(record.attempts[0], partial=True, verdicts=(late,))
    begun = replace(begun, decision=replace(begun.decision, layer="cascade"))
    attempts = (begun, record.attempts[1])

    text = Visible(record_page(fill(replace(record, attempts=attempts, accept_reason="deadline")), "rec-00")).text

    assert "cascade: cheap first abandoned after its beginning, no score $0.000100" in text
    assert "verdict of judge no score (timed out) –" in text
    assert "accepted (deadline)" in text


def test_what_was_said_is_shown_where_it_is_stored(fill: Fill, record: Record):
    asked = replace(record, messages=({"role": "user", "content": "The capital of France?"},))
    text = Visible(record_page(fill(asked), "rec-00")).text

    assert "user The capital of France?" in text
    assert "small Lyon" in text
    assert "large, given to the caller Paris" in text


def test_nothing_of_a_record_is_taken_for_markup(fill: Fill, record: Record):
    decision = replace(
        record.attempts[0].decision, model=EVIL, router=EVIL, reason=Reason.RULE, detail=EVIL, layer=EVIL
    )
    answer = Answer(text=EVIL, model=EVIL, finish_reason=EVIL, body={})
    broken = Failure(kind=EVIL, message=EVIL)
    judged = Verdict(score=0.5, verifier=EVIL, detail=EVIL)
    reader = fill(
        replace(
            record,
            id=EVIL,
            query_id=EVIL,
            route=EVIL,
            strategy=EVIL,
            config=EVIL,
            artifact=EVIL,
            baseline_model=EVIL,
            attempts=(
                replace(record.attempts[0], decision=decision, answer=answer, failure=broken, verdicts=(judged,)),
            ),
            accepted=0,
            accept_reason=EVIL,
            tags={EVIL: EVIL},
            needs=frozenset({EVIL}),
            messages=({"role": EVIL, "content": EVIL},),
        )
    )

    pages = Visible(records_page(reader)), Visible(record_page(reader, EVIL))

    assert [tag for page in pages for tag in page.tags if tag == "script"] == []
    assert pages[1].text.count("alert(1)") >= 15


def test_nothing_comes_from_elsewhere_and_nothing_needs_a_weaker_policy(fill: Fill, record: Record):
    reader = fill(record)
    pages = Visible(records_page(reader)), Visible(record_page(reader, record.id))
    names = {name for page in pages for name, _ in page.attributes}

    assert not names & {"src", "style", "onclick", "action"}
    assert all("//" not in href for page in pages for href in page.hrefs())
