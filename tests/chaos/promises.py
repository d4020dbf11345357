"""What is promised beside the matrix: of callers, disks, clocks, processes and stores. Each names the test of it."""

from __future__ import annotations

from typing import NamedTuple


class Promise(NamedTuple):
    """One promise. test : its module in this folder, and a function there."""

    what: str
    then: str
    test: str


ENDED = "the upstream's call ends within a second, the record says `cancelled`, nothing stays set aside"

PROMISES: dict[str, tuple[Promise, ...]] = {
    "Embeddings, passed on": (
        Promise(
            "the endpoint refuses, resets, falls silent, answers a status, HTML, an error, or too much",
            "an error of the status that is told above for one call, `x-should-retry: false`, and a record `failed`",
            "test_embeddings::test_a_fault_is_an_error_that_is_not_worth_repeating_and_recorded",
        ),
        Promise(
            "it says nothing of its use, or what cannot be",
            "the vectors are passed on; the bill is unknown, never below nothing",
            "test_embeddings::test_vectors_are_passed_on_whatever_is_said_of_their_use_and_the_bill_is_unknown",
        ),
        Promise(
            "the caller goes away",
            "the call ends within a second, and the record says `cancelled`",
            "test_embeddings::test_a_caller_who_goes_ends_the_call_and_the_record_says_so",
        ),
    ),
    "Other dialects": (
        Promise(
            "eight of the faults above, asked for in Anthropic's Messages and OpenAI's Responses",
            "the same statuses, headers and models; errors and broken streams in the form of that dialect",
            "test_dialects::test_every_dialect_tells_the_same_in_its_own_form",
        ),
    ),
    "An upstream that goes away and returns": (
        Promise(
            "it fails as often as the breaker bears",
            "it is not called any more: 503 `overloaded`, `x-should-retry: true`, `retry-after` of the next probe",
            "test_breaker::test_what_keeps_failing_is_not_called_any_more_and_the_caller_is_told_when_to_come_back",
        ),
        Promise(
            "a router would have called it",
            "the model behind answers, without an attempt at what is shut",
            "test_breaker::test_a_router_goes_by_what_is_shut_without_an_attempt",
        ),
        Promise(
            "the one call that is let through fails",
            "it is shut again, for twice as long",
            "test_breaker::test_a_probe_that_fails_shuts_it_again",
        ),
        Promise(
            "the one call that is let through succeeds",
            "it is called as before",
            "test_breaker::test_an_upstream_that_returns_is_called_again",
        ),
    ),
    "A caller who goes away": (
        Promise(
            "before the end of the body",
            "nobody is called, nothing is booked or recorded",
            "test_callers::test_a_caller_who_goes_before_the_end_of_his_body_costs_nothing",
        ),
        Promise(
            "while it is decided (a rater is asked), or the first byte is awaited",
            ENDED,
            "test_callers::test_a_caller_who_goes_while_the_first_byte_is_awaited_ends_the_call",
        ),
        Promise(
            "in the middle of a stream, silent or busy",
            ENDED,
            "test_callers::test_a_caller_who_goes_in_the_middle_of_a_stream_ends_the_call",
        ),
        Promise(
            "in the middle of a whole answer",
            ENDED,
            "test_callers::test_a_caller_who_goes_in_the_middle_of_a_whole_answer_ends_the_call",
        ),
        Promise(
            "while a cascade holds the answer",
            f"{ENDED}; no other model is called",
            "test_callers::test_a_caller_who_goes_while_an_answer_is_held_ends_the_call_and_no_other_is_made",
        ),
        Promise(
            "after the finish reason, before the end of the stream",
            ENDED,
            "test_callers::test_a_caller_who_goes_after_the_finish_reason_ends_what_is_left_of_the_stream",
        ),
        Promise(
            "with the last byte",
            "the record says `answered`, with its bill",
            "test_callers::test_a_caller_who_goes_with_the_last_byte_was_answered",
        ),
        Promise(
            "so that nobody says what the call cost",
            "what it may have cost at most is booked in the budget, and no more",
            "test_callers::test_what_a_cancelled_call_may_have_cost_is_booked_and_no_more",
        ),
    ),
    "A caller who stays and does not read": (
        Promise(
            "a stream that nobody reads",
            "the upstream is read no further: nothing is gathered beyond the buffers of two connections",
            "test_backpressure::test_a_caller_who_reads_nothing_holds_the_upstream_back",
        ),
        Promise(
            "a stream without end, held by a cascade",
            "is cut off at `max_held_mb`, and another model answers",
            "test_backpressure::test_a_flood_that_a_cascade_holds_is_cut_off_and_another_model_answers",
        ),
    ),
    "What is asked before and after an answer": (
        Promise(
            "a verifier hangs, raises, or returns what is no score",
            "its score is unknown, which accepts nothing: the next model answers",
            "test_deciding::test_a_verifier_that_fails_accepts_nothing_so_the_next_model_answers",
        ),
        Promise(
            "a rater hangs, fails, or says nothing that can be read",
            "a model is called without its rating, after the time box at the latest",
            "test_deciding::test_a_preparation_that_fails_still_leads_to_an_answer",
        ),
        Promise(
            "a rater hung",
            "what it cost is unknown, and with it the bill",
            "test_deciding::test_what_a_preparation_cost_that_hung_is_not_known",
        ),
        Promise(
            "a rater hangs for longer than the caller's deadline",
            "504 `deadline_exceeded`; nobody was called",
            "test_deciding::test_a_deadline_holds_while_a_preparation_hangs",
        ),
    ),
    "Disks and databases": (
        Promise(
            "the disk of the records is full",
            "requests are answered; every record is written once there is space",
            "test_disk::test_requests_are_answered_while_the_disk_is_full_and_recorded_once_it_is_not",
        ),
        Promise(
            "it stays full until the queue is full too",
            "newer records are lost, and counted as dropped",
            "test_disk::test_what_waits_for_space_is_bounded_and_what_is_lost_is_counted",
        ),
        Promise(
            "another process has locked the records",
            "requests are answered; every record is written once the lock is gone",
            "test_disk::test_requests_are_answered_while_another_process_has_locked_the_records",
        ),
        Promise(
            "another process has locked the budgets",
            "money is set aside and booked in memory, and written once the lock is gone",
            "test_disk::test_money_is_set_aside_and_booked_while_another_process_has_locked_the_budgets",
        ),
    ),
    "A clock that jumps by an hour": (
        Promise(
            "breakers, pauses, timeouts, rate limits, caches, keys read from the database",
            "go by a clock that only grows, and notice nothing",
            "test_clock::test_what_measures_time_asks_a_clock_that_only_grows",
        ),
        Promise(
            "back, after a budget was spent",
            "it stays spent",
            "test_clock::test_a_spent_budget_stays_spent_when_the_clock_is_set_back",
        ),
        Promise(
            "forwards and back, again and again",
            "each hour's budget is given once",
            "test_clock::test_a_clock_that_jumps_forwards_and_back_does_not_give_a_budget_twice",
        ),
        Promise(
            "while a request is in progress",
            "what it had set aside is given back, and its cost booked where it was set aside",
            "test_clock::test_what_was_set_aside_before_a_jump_is_given_back_after_it",
        ),
        Promise(
            "in the middle of a conversation",
            "its model is still known, and it was never idle for less than nothing",
            "test_clock::test_a_conversation_survives_a_jump_and_was_never_idle_for_less_than_nothing",
        ),
        Promise(
            "between two requests",
            "records tell the clock's time and the true durations",
            "test_clock::test_records_tell_how_long_a_request_took_whatever_the_clock_says",
        ),
        Promise(
            "while an upstream's Retry-After names a date",
            "the wait is never negative; one beyond 20 s is left for another model",
            "test_clock::test_a_wait_until_a_date_is_never_negative_and_a_long_one_is_left_for_another_model",
        ),
    ),
    "The gateway's own process": (
        Promise(
            "`kill -9` under load",
            "every answer given a second before is recorded; the file opens clean",
            "test_processes::test_a_gateway_that_is_killed_loses_the_records_of_its_last_moment_at_most",
        ),
        Promise(
            "started again after `kill -9`",
            "it serves at once, and no money is set aside for requests that died",
            "test_processes::test_a_gateway_that_was_killed_starts_again_and_sets_no_money_aside_for_the_dead",
        ),
        Promise(
            "SIGTERM under load",
            "what was begun is answered and recorded",
            "test_processes::test_a_gateway_that_is_asked_to_stop_answers_what_it_began_and_records_all_of_it",
        ),
        Promise(
            "the configuration becomes garbage, and it is told to read it again",
            "the old configuration is served; no request fails",
            "test_processes::test_a_configuration_that_becomes_garbage_under_load_changes_nothing",
        ),
    ),
    "PostgreSQL and Redis": (
        Promise(
            "one of them, or both, are killed and come back",
            "every request is answered, and every record is there afterwards",
            "test_stores::test_requests_are_answered_while_a_store_is_dead_and_every_record_is_there_when_it_is_back",
        ),
        Promise(
            "Redis hangs",
            "requests are answered",
            "test_stores::test_a_redis_that_hangs_holds_nobody_up_for_long",
        ),
        Promise(
            "PostgreSQL hangs",
            "requests are answered, and recorded once it goes on",
            "test_stores::test_a_postgres_that_hangs_holds_nobody_up",
        ),
        Promise(
            "PostgreSQL is dead while money is spent",
            "it is booked when PostgreSQL is back",
            "test_stores::test_what_was_spent_while_postgres_was_dead_is_booked_when_it_is_back",
        ),
    ),
}
