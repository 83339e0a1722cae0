"""What a processor answers is put on the log within our limits, or named: never repeated for ever for want of a field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.payments.errors import NotUnderstoodError
from consumers.payments.processor import ProcessorResult, recordable
from schemas.codec.wire import encode
from schemas.ids import new_order_id
from schemas.messages import RecordPaymentResult

A = new_order_id()
TEXT = st.text(max_size=20) | st.just("x" * 9_000) | st.just("a\0b") | st.just("\ud800")


@given(TEXT, TEXT, TEXT, st.integers())
def test_whatever_a_processor_answers_can_be_put_on_the_log_or_is_named(
    authorization_id: str, reason: str, action_url: str, expires_at_ms: int
) -> None:
    try:
        recorded = recordable(ProcessorResult("requires_action", authorization_id, reason, action_url, expires_at_ms))
    except NotUnderstoodError:
        return
    assert encode(
        RecordPaymentResult(
            A,
            f"{A}:authorize",
            recorded.result,
            recorded.authorization_id,
            recorded.reason,
            recorded.action_url,
            recorded.expires_at_ms,
        )
    )


def test_an_answer_within_our_limits_is_left_as_it_is() -> None:
    usual = ProcessorResult("requires_action", "pi_1", "", "https://bank.example/" + "x" * 8_000, 1_790_000_000_000)
    assert recordable(usual) == usual


def test_an_address_beyond_our_limits_is_left_out_so_that_the_wait_ends_by_time() -> None:
    assert recordable(ProcessorResult("requires_action", "pi_1", "", "x" * 8_193)).action_url == ""


def test_an_authorisation_that_could_never_be_asked_about_is_named() -> None:
    with pytest.raises(NotUnderstoodError):
        recordable(ProcessorResult("succeeded", "x" * 1_001, ""))
