"""Calls of the jobs service: work that a provider goes on with after its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mintgate.types import Hold
from mintgate.v1 import jobs_pb2
from mintgate.v1.jobs_pb2_grpc import JobsServiceStub

from .base import Answer, Call, whole
from .ledger import unit_counts

if TYPE_CHECKING:
    from google.protobuf.message import Message


def start(
    hold: Hold,
    *,
    surface: str,
    operation: str,
    object_id: str,
    state: bytes = b"",
    first_poll_ms: int = 0,
    ttl_ms: int = 0,
    units: Mapping[str | int, int] | None = None,
    variants: Sequence[str] = (),
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[jobs_pb2.StartedJob]:
    """Keep an open hold until a job of the provider is settled, at most until its deadline.

    `ttl_ms` is 1,000..172,800,000, 0 means a day; `first_poll_ms` 0..3,600,000; `state` is
    at most 16,384 bytes and never a secret. `units` are what an expiry would charge.

    Raises `AlreadyResolved`, `NotFound`, and `IdReused` when the hold has another job.
    """
    started = jobs_pb2.StartJob(
        hold_id=hold.id,
        hold_token=hold.token,
        surface=surface,
        operation=operation,
        object_id=object_id,
        state=state,
        first_poll_ms=first_poll_ms,
        ttl_ms=ttl_ms,
        units=unit_counts(units or {}),
        variants=variants,
    )
    request = jobs_pb2.StartJobRequest(start_job=started)
    return _jobs("StartJob", request, lambda answer: answer.started_job, timeout_s, credential)


def claim(
    limit: int = 0,
    *,
    lease_ms: int = 0,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[jobs_pb2.ClaimJobsResponse]:
    """Take up to `limit` jobs that are due, 1..100, 0 means 10; nobody else gets them meanwhile.

    `lease_ms` is 1,000..300,000, 0 means 60,000. A claim whose answer was lost is over when
    its lease is.
    """
    request = jobs_pb2.ClaimJobsRequest(limit=limit, lease_ms=lease_ms)
    return _jobs("ClaimJobs", request, whole, timeout_s, credential)


def renew(
    job: jobs_pb2.Job,
    next_poll_ms: int,
    *,
    ttl_ms: int = 0,
    units: Mapping[str | int, int] | None = None,
    variants: Sequence[str] = (),
    state: bytes = b"",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[jobs_pb2.RenewedJob]:
    """Give a claimed job back until its next poll, with the units used so far, in totals.

    `ttl_ms` moves the deadline on, `state` replaces the one before; 0 and empty leave them.
    Raises `LeaseLost` when it was claimed again since, `AlreadyResolved`, `NotFound`.
    """
    operation = jobs_pb2.RenewJob(
        hold_id=job.hold_id,
        hold_token=job.hold_token,
        attempt=job.attempt,
        next_poll_ms=next_poll_ms,
        ttl_ms=ttl_ms,
        units=unit_counts(units or {}),
        variants=variants,
        state=state,
    )
    request = jobs_pb2.RenewJobRequest(renew_job=operation)
    return _jobs("RenewJob", request, lambda answer: answer.renewed_job, timeout_s, credential)


def _jobs(
    method: str,
    request: Message,
    read: Callable[[Any], Answer],
    timeout_s: float | None,
    credential: str | None,
) -> Call[Answer]:
    return Call(
        stub=JobsServiceStub,
        method=method,
        request=request,
        read=read,
        timeout_s=timeout_s,
        credential=credential,
    )
