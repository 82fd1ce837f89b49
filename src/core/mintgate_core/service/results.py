"""Answers of the ledger as messages."""

from __future__ import annotations

from mintgate.v1 import jobs_pb2, ledger_pb2

from mintgate_core.ledger import operations as ops
from mintgate_core.ledger.errors import Bug, LedgerError
from mintgate_core.service.errors import to_proto
from mintgate_core.service.hold_token import TokenSigner

Result = ledger_pb2.OperationResult


def to_result(answer: ops.Answer | None, signer: TokenSigner) -> Result:
    """The result of one operation."""
    match answer:
        case ops.Reserved():
            return Result(reserved=_reserved(answer, signer))
        case ops.Settled():
            return Result(
                settled=ledger_pb2.Settled(
                    actual_nano_usd=answer.actual_nano_usd,
                    charged_nano_usd=answer.charged_nano_usd,
                    absorbed_nano_usd=answer.absorbed_nano_usd,
                    late=answer.late,
                    remaining_nano_usd=answer.remaining_nano_usd,
                )
            )
        case ops.Progressed():
            return Result(
                progressed=ledger_pb2.Progressed(
                    metered_nano_usd=answer.metered_nano_usd, expires_at_ms=answer.expires_at_ms
                )
            )
        case ops.Released():
            return Result(released=ledger_pb2.Released(amount_nano_usd=answer.amount_nano_usd))
        case ops.Extended():
            return Result(extended=ledger_pb2.Extended(amount_nano_usd=answer.amount_nano_usd))
        case ops.Granted():
            return Result(granted=ledger_pb2.Granted(balance_nano_usd=answer.balance_nano_usd))
        case ops.StartedJob():
            return Result(started_job=jobs_pb2.StartedJob(deadline_ms=answer.deadline_ms))
        case ops.RenewedJob():
            return Result(
                renewed_job=jobs_pb2.RenewedJob(
                    metered_nano_usd=answer.metered_nano_usd,
                    deadline_ms=answer.deadline_ms,
                    next_poll_at_ms=answer.due_at_ms,
                )
            )
        case LedgerError():
            return Result(error=to_proto(answer))
    return Result(error=to_proto(Bug("an operation without an answer")))


def _reserved(answer: ops.Reserved, signer: TokenSigner) -> ledger_pb2.Reserved:
    token = answer.token
    return ledger_pb2.Reserved(
        amount_nano_usd=token.amount_nano_usd,
        output_tokens=answer.output_tokens,
        output_fitted=answer.fitted,
        hold_token=signer.encode(token),
        on_disconnect=ledger_pb2.OnDisconnect.ValueType(answer.on_disconnect),
        remaining_nano_usd=answer.remaining_nano_usd,
        expires_at_ms=answer.expires_at_ms,
        key_id=token.subject.key_id,
        account_id=token.subject.account_id,
    )
