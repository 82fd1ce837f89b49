"""What a refusal of the ledger means to the caller of a provider route."""

from __future__ import annotations

import pytest
from mintgate.v1 import error_pb2
from mintgate_facade.dialects.base import FailureKind
from mintgate_facade.relay.failures import failure_of


@pytest.mark.parametrize(("wait_ms", "wait_s"), [(1, 1), (1_000, 1), (1_001, 2), (60_000, 60)])
def test_a_rate_limit_is_429_with_its_wait(wait_ms: int, wait_s: int) -> None:
    """Whole seconds are rounded up, so that nobody comes back too early."""
    failure = failure_of(
        error_pb2.Error(
            reason=error_pb2.ERROR_REASON_RATE_LIMITED,
            message="slower",
            field="requests_per_minute",
            retry_after_ms=wait_ms,
        )
    )
    assert failure.kind is FailureKind.RATE_LIMITED
    assert failure.status == 429
    assert (failure.retry_after_s, failure.retry_after_ms) == (wait_s, wait_ms)
    assert failure.message == "slower"
    # A limit of the key is no field of the provider's request.
    assert failure.param == ""


def test_what_is_not_listed_is_the_gateways_own_matter() -> None:
    """An unknown reason is 503, never 401: the caller's key is not at fault."""
    failure = failure_of(error_pb2.Error(reason=error_pb2.ERROR_REASON_OVERLOADED))
    assert failure.status == 503


def test_where_a_model_is_found_is_a_sentence_of_its_own() -> None:
    """What the ledger said and where to ask instead do not run into each other."""
    error = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_MODEL_UNPRICED,
        message="no price is known for openai model 'llama-4'",
    )
    told = failure_of(error, "Ask elsewhere.").message
    assert told == "no price is known for openai model 'llama-4'. Ask elsewhere."
