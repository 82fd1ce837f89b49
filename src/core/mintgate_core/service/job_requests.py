"""Checks of what callers say of jobs, and the way into the ledger's operations."""

from __future__ import annotations

from mintgate.v1 import jobs_pb2

from mintgate_core.ledger import operations as ops
from mintgate_core.ledger.errors import Invalid
from mintgate_core.ledger.limits import (
    JOB_OBJECT_ID_CHARACTERS_MAX,
    JOB_POLL_MS_MAX,
    JOB_STATE_BYTES_MAX,
    JOB_TTL_MS_DEFAULT,
    JOB_TTL_MS_MAX,
    JOB_TTL_MS_MIN,
    JOB_WORD_CHARACTERS_MAX,
)
from mintgate_core.ledger.operations import HoldToken
from mintgate_core.ledger.types import Measured, Record
from mintgate_core.service import requests

ATTEMPT_MAX = 2**53


def start_job(
    message: jobs_pb2.StartJob, token: HoldToken, measured: Measured, records: tuple[Record, ...]
) -> ops.StartJob:
    """Tie the token's hold to a job."""
    return ops.StartJob(
        hold_id=token.hold_id,
        wallet_id=token.wallet_id,
        surface=requests.text(message.surface, "surface", JOB_WORD_CHARACTERS_MAX, least=1),
        operation=requests.text(message.operation, "operation", JOB_WORD_CHARACTERS_MAX, least=1),
        object_id=requests.text(
            message.object_id, "object_id", JOB_OBJECT_ID_CHARACTERS_MAX, least=1
        ),
        state=_state(message.state),
        first_poll_ms=_poll_ms(message.first_poll_ms, "first_poll_ms"),
        ttl_ms=_ttl_ms(message.ttl_ms or JOB_TTL_MS_DEFAULT),
        measured=measured,
        token=token,
        records=records,
    )


def renew_job(message: jobs_pb2.RenewJob, token: HoldToken, measured: Measured) -> ops.RenewJob:
    """Give back a claim of the token's job."""
    return ops.RenewJob(
        hold_id=token.hold_id,
        wallet_id=token.wallet_id,
        attempt=requests.number(message.attempt, "attempt", ATTEMPT_MAX, least=1),
        next_poll_ms=_poll_ms(message.next_poll_ms, "next_poll_ms"),
        ttl_ms=_ttl_ms(message.ttl_ms) if message.ttl_ms else 0,
        measured=measured,
        state=_state(message.state),
    )


def _poll_ms(value: int, field: str) -> int:
    return requests.number(value, field, JOB_POLL_MS_MAX)


def _ttl_ms(value: int) -> int:
    return requests.number(value, "ttl_ms", JOB_TTL_MS_MAX, least=JOB_TTL_MS_MIN)


def _state(value: bytes) -> bytes:
    if len(value) > JOB_STATE_BYTES_MAX:
        raise Invalid(f"state must have at most {JOB_STATE_BYTES_MAX} bytes", field="state")
    return value
