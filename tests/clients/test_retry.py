from __future__ import annotations

import grpc
import pytest
from mintgate import InvalidArgument, RetryPolicy
from mintgate.retry import RETRY_ATTEMPTS_MAX, RETRY_PAUSE_MAX_S, RETRYABLE

AWAY = grpc.StatusCode.UNAVAILABLE
HIGHEST = RetryPolicy(random=lambda: 1.0)


def pause(policy: RetryPolicy, attempts_made: int, **changes: object) -> float | None:
    arguments = {"status": AWAY, "remaining_s": 100.0, "repeatable": True} | changes
    status = arguments.pop("status")
    return policy.pause(status, attempts_made=attempts_made, **arguments)  # type: ignore[arg-type]


def test_pauses_double_up_to_their_bound() -> None:
    """The ceiling of the pause doubles with each attempt and stops at its bound."""
    policy = RetryPolicy(random=lambda: 1.0, pause_first_s=0.5)

    assert [pause(policy, made) for made in range(1, RETRY_ATTEMPTS_MAX)] == [
        0.5,
        1.0,
        2.0,
        RETRY_PAUSE_MAX_S,
        RETRY_PAUSE_MAX_S,
    ]


def test_jitter_is_full() -> None:
    """The pause is anywhere between nothing and its ceiling."""
    assert pause(RetryPolicy(random=lambda: 0.0), 3) == 0.0
    assert pause(RetryPolicy(random=lambda: 0.5), 3) == 0.2


def test_attempts_are_bounded() -> None:
    """After the last attempt there is no further pause."""
    assert pause(HIGHEST, RETRY_ATTEMPTS_MAX) is None


def test_the_deadline_is_never_slept_through() -> None:
    """A pause that would pass the caller's deadline is not taken."""
    assert pause(HIGHEST, 1, remaining_s=0.1) is None
    assert pause(HIGHEST, 1, remaining_s=-1.0) is None


@pytest.mark.parametrize("status", list(grpc.StatusCode))
def test_only_answers_that_may_change_are_retried(status: grpc.StatusCode) -> None:
    """A refusal is final; an absence is not."""
    assert (pause(HIGHEST, 1, status=status) is not None) == (status in RETRYABLE)


def test_what_cannot_be_repeated_is_not() -> None:
    """A call without an id of its own is sent once, and given all the time."""
    assert pause(HIGHEST, 1, repeatable=False) is None
    assert HIGHEST.attempt_timeout(30.0, repeatable=False) == 30.0


def test_an_attempt_gives_up_before_its_caller() -> None:
    """One attempt takes part of the deadline, unless it is the only one."""
    assert HIGHEST.attempt_timeout(30.0, repeatable=True) == 4.0
    assert HIGHEST.attempt_timeout(1.0, repeatable=True) == 1.0
    assert RetryPolicy(attempts_max=1).attempt_timeout(30.0, repeatable=True) == 30.0


@pytest.mark.parametrize(
    "nonsense",
    [{"attempts_max": 0}, {"attempts_max": 7}, {"pause_first_s": 0.0}, {"attempt_timeout_s": -1.0}],
)
def test_nonsense_is_refused(nonsense: dict[str, float]) -> None:
    """A policy without attempts, without end or without time cannot be made."""
    with pytest.raises(InvalidArgument):
        RetryPolicy(**nonsense)  # type: ignore[arg-type]
