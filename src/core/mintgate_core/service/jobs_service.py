"""`JobsService`: jobs of providers, for those who poll them."""

from __future__ import annotations

from typing import Any

from grpc import aio
from mintgate.v1 import jobs_pb2, jobs_pb2_grpc, ledger_pb2

from mintgate_core.ledger.limits import (
    JOB_LEASE_MS_DEFAULT,
    JOB_LEASE_MS_MAX,
    JOB_LEASE_MS_MIN,
    JOBS_CLAIMED_DEFAULT,
    JOBS_CLAIMED_MAX,
)
from mintgate_core.ledger.operations import HoldToken
from mintgate_core.ledger.types import HoldJob
from mintgate_core.service import requests
from mintgate_core.service.hold_token import TokenSigner
from mintgate_core.service.interceptors import CALLER
from mintgate_core.service.operations import Operator
from mintgate_core.stores.base import ClaimedJob, Store

Context = aio.ServicerContext[Any, Any]


class JobsService(jobs_pb2_grpc.JobsServiceServicer):
    """See proto/mintgate/v1/jobs.proto."""

    def __init__(self, store: Store, operator: Operator, signer: TokenSigner) -> None:
        self._store = store
        self._operator = operator
        self._signer = signer

    async def StartJob(
        self, request: jobs_pb2.StartJobRequest, context: Context
    ) -> jobs_pb2.StartJobResponse:
        operation = ledger_pb2.Operation(start_job=request.start_job)
        result = await self._operator.one(CALLER.get(), operation)
        return jobs_pb2.StartJobResponse(started_job=result.started_job)

    async def RenewJob(
        self, request: jobs_pb2.RenewJobRequest, context: Context
    ) -> jobs_pb2.RenewJobResponse:
        operation = ledger_pb2.Operation(renew_job=request.renew_job)
        result = await self._operator.one(CALLER.get(), operation)
        return jobs_pb2.RenewJobResponse(renewed_job=result.renewed_job)

    async def ClaimJobs(
        self, request: jobs_pb2.ClaimJobsRequest, context: Context
    ) -> jobs_pb2.ClaimJobsResponse:
        limit = requests.number(
            request.limit or JOBS_CLAIMED_DEFAULT, "limit", JOBS_CLAIMED_MAX, least=1
        )
        lease_ms = requests.number(
            request.lease_ms or JOB_LEASE_MS_DEFAULT,
            "lease_ms",
            JOB_LEASE_MS_MAX,
            least=JOB_LEASE_MS_MIN,
        )
        claimed = await self._store.claim_jobs(limit, lease_ms)
        return jobs_pb2.ClaimJobsResponse(
            jobs=[self._message(one) for one in claimed], now_ms=await self._store.now_ms()
        )

    def _message(self, claimed: ClaimedJob) -> jobs_pb2.Job:
        job, hold = claimed.job, claimed.hold
        token = HoldToken(
            hold.hold_id, hold.wallet_id, hold.line_ids, hold.amount_nano_usd, hold.subject
        )
        return jobs_pb2.Job(
            hold_id=hold.hold_id,
            hold_token=self._signer.encode(token),
            account_id=hold.subject.account_id,
            key_id=hold.subject.key_id,
            provider=hold.subject.provider,
            model=hold.subject.model,
            request_id=hold.subject.request_id,
            surface=job.surface,
            operation=job.operation,
            object_id=job.object_id,
            state=job.state,
            attempt=job.attempt,
            created_at_ms=job.created_at_ms,
            deadline_ms=job.deadline_ms,
            lease_until_ms=job.due_at_ms,
            last=hold.job is HoldJob.LAST_LOOK,
            amount_nano_usd=hold.amount_nano_usd,
            metered_nano_usd=hold.metered.amount_nano_usd,
        )
