"""Operations from the wire, prepared for the lanes, and their answers on the way back.

Preparing is where prices are found and wallets are located; it touches the
store only the first time that a key or a price is seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mintgate.ids import request_name
from mintgate.logs import fields
from mintgate.v1 import jobs_pb2, ledger_pb2, unit_pb2

from mintgate_core.ledger import operations as ops
from mintgate_core.ledger.errors import (
    Forbidden,
    Invalid,
    LedgerError,
    NotFound,
    Unauthenticated,
    Unpriced,
)
from mintgate_core.ledger.limits import BATCH_OPERATIONS_MAX, NOTE_CHARACTERS_MAX
from mintgate_core.ledger.operations import HoldToken, Operation
from mintgate_core.ledger.types import EventStatus, Measured, SettledBy, Subject
from mintgate_core.service import job_requests, object_requests, places, requests
from mintgate_core.service.admission import Admission
from mintgate_core.service.desk import Desk
from mintgate_core.service.errors import defect
from mintgate_core.service.hold_token import TokenSigner
from mintgate_core.service.principal import Principal, Role
from mintgate_core.service.results import to_result
from mintgate_core.service.tracing import OperationTraces
from mintgate_core.stores.base import Store

KEY_ROUTES_CACHED_MAX = 65_536
REQUEST_ID_CHARACTERS_MAX = 64
PROVIDER_REQUEST_ID_CHARACTERS_MAX = 128
LATENCY_MS_MAX = 2**40
SHA256_BYTES = 32

log = logging.getLogger(__name__)


Answered = Callable[[Sequence[ledger_pb2.Operation], Sequence[ops.Answer | None]], None]
"""Told what became of operations of the wire."""


@dataclass(frozen=True, slots=True)
class KeyRoute:
    """Where a secret leads.

    That never changes for a given secret, so it may be cached; whether the
    secret still opens anything is read in the transaction.
    """

    key_id: str
    account_id: str
    wallet_id: int


class Operator:
    """Applies operations of the wire for a caller."""

    def __init__(
        self,
        store: Store,
        admission: Admission,
        desk: Desk,
        signer: TokenSigner,
        answered: Answered,
        traces: OperationTraces | None = None,
    ) -> None:
        self._traces = traces
        self._answered = answered
        self._store = store
        self._admission = admission
        self._desk = desk
        self._signer = signer
        self._routes: dict[bytes, KeyRoute] = {}

    async def apply(
        self, caller: Principal, messages: Sequence[ledger_pb2.Operation]
    ) -> list[ledger_pb2.OperationResult]:
        """Answer every operation; a refusal is a result, never an exception."""
        if not 1 <= len(messages) <= BATCH_OPERATIONS_MAX:
            raise Invalid(
                f"a request holds 1 to {BATCH_OPERATIONS_MAX} operations", field="operations"
            )
        spans = None if self._traces is None else self._traces.begin(messages)
        results: list[ops.Answer | None] = [None] * len(messages)
        prepared: list[Operation] = []
        places: list[int] = []
        for place, message in enumerate(messages):
            try:
                prepared.append(await self._prepare(caller, message))
                places.append(place)
            except LedgerError as error:
                results[place] = error
            except Exception as error:  # noqa: BLE001 - logged and told as a defect
                # Whatever it was, the others of the batch have no part in it.
                results[place] = defect(error)
        if prepared:
            try:
                answers = await self._admission.submit(prepared)
            except LedgerError as error:
                answers = [error] * len(prepared)
            for place, answer in zip(places, answers, strict=True):
                results[place] = answer
        self._answered(messages, results)
        if self._traces is not None and spans is not None:
            self._traces.end(messages, spans, results)
        return [to_result(answer, self._signer) for answer in results]

    async def one(
        self, caller: Principal, message: ledger_pb2.Operation
    ) -> ledger_pb2.OperationResult:
        """Answer a single operation. Raises its refusal."""
        answer: ops.Answer
        try:
            (answer,) = await self._admission.submit([await self._prepare(caller, message)])
        except LedgerError as error:
            answer = error
        self._answered([message], [answer])
        if isinstance(answer, LedgerError):
            raise answer
        return to_result(answer, self._signer)

    async def _prepare(self, caller: Principal, message: ledger_pb2.Operation) -> Operation:
        match message.WhichOneof("action"):
            case "reserve":
                return await self._reserve(caller, message.reserve)
            case "settle":
                return await self._settle(caller, message.settle)
            case "progress":
                return await self._progress(caller, message.progress)
            case "release":
                hold_id = requests.operation_id(message.release.hold_id, "hold_id")
                token = message.release.hold_token
                wallet_id = await self._wallet(caller, hold_id, token)
                if caller.key is not None:
                    _made_by_its_account(caller, self._token(caller, token, hold_id))
                return ops.Release(hold_id, wallet_id)
            case "extend":
                hold_id = requests.operation_id(message.extend.hold_id, "hold_id")
                total = requests.amount(message.extend.amount_nano_usd, "amount_nano_usd")
                return ops.Extend(hold_id, await self._wallet(caller, hold_id, b""), total)
            case "grant":
                return await self._grant(caller, message.grant)
            case "start_job":
                start = message.start_job
                held, so_far = await self._of_job(caller, start)
                records = object_requests.records(caller, start.records)
                return job_requests.start_job(start, held, so_far, records)
            case "renew_job":
                held, so_far = await self._of_job(caller, message.renew_job)
                return job_requests.renew_job(message.renew_job, held, so_far)
        raise Invalid("the operation has no action", field="action")

    async def _reserve(self, caller: Principal, message: ledger_pb2.Reserve) -> ops.Reserve:
        hold_id = requests.operation_id(message.hold_id, "hold_id")
        provider = requests.slug(message.provider, "provider")
        model = requests.text(message.model, "model", requests.MODEL_CHARACTERS_MAX, least=1)
        bound = requests.bound(message.bound)
        by_secret = message.WhichOneof("key") == "secret_sha256"
        route = await (
            self._by_secret(message.secret_sha256) if by_secret else self._by_id(message.key_id)
        )
        _own_account(caller, route.account_id)
        price, version = await self._desk.price(route.account_id, provider, model, bound)
        subject = Subject(
            key_id=route.key_id,
            account_id=route.account_id,
            provider=provider,
            model=model,
            route=requests.text(message.route, "route", requests.MODEL_CHARACTERS_MAX),
            request_id=requests.text(message.request_id, "request_id", REQUEST_ID_CHARACTERS_MAX),
            price_version=version,
        )
        return ops.Reserve(
            hold_id=hold_id,
            wallet_id=route.wallet_id,
            subject=subject,
            price=price,
            ttl_ms=requests.ttl_ms(message.ttl_ms),
            secret_sha256=message.secret_sha256 if by_secret else None,
            place=places.shown_at(message.origin, message.client_address) if by_secret else None,
            first_attempt=message.first_attempt,
            rate_limits=self._admission.limits(route.key_id),
        )

    async def _by_secret(self, secret_sha256: bytes) -> KeyRoute:
        route = self._routes.get(secret_sha256)
        if route is None:
            if len(secret_sha256) != SHA256_BYTES:
                raise Invalid("secret_sha256 must have 32 bytes", field="secret_sha256")
            if self._admission.refusals.unknown(secret_sha256):
                raise Unauthenticated("there is no such key")
            key = await self._store.key_by_secret(secret_sha256)
            if key is None:
                self._admission.refusals.remember_unknown(secret_sha256)
                raise Unauthenticated("there is no such key")
            self._admission.learn(key.key_id, key.rate_limits)
            route = KeyRoute(key.key_id, key.account_id, key.wallet_id)
            if len(self._routes) >= KEY_ROUTES_CACHED_MAX:
                self._routes.pop(next(iter(self._routes)))
            self._routes[secret_sha256] = route
        return route

    async def _by_id(self, key_id: str) -> KeyRoute:
        key = await self._store.key(key_id)
        if key is None:
            raise NotFound("there is no such key", field="key_id")
        self._admission.learn(key.key_id, key.rate_limits)
        return KeyRoute(key.key_id, key.account_id, key.wallet_id)

    async def _settle(self, caller: Principal, message: ledger_pb2.Settle) -> ops.Settle:
        hold_id = requests.operation_id(message.hold_id, "hold_id")
        token = self._token(caller, message.hold_token, hold_id)
        _made_by_its_account(caller, token)
        settled_by = SettledBy(
            requests.number(message.settled_by or SettledBy.USAGE, "settled_by", SettledBy.HOLD)
        )
        variants = requests.said_variants(message.variants)
        measured, version = Measured(), token.subject.price_version
        if settled_by is not SettledBy.HOLD:
            try:
                measured, version = await self._desk.measure(
                    token.subject, message.model, requests.units(message.units), variants
                )
            except (Unpriced, requests.UnknownUnit):
                # The work is done, so it cannot be refused, and it is never
                # free: charge all that was held, and tell the operator.
                log.exception(
                    "hold %s is charged whole",
                    hold_id.hex(),
                    extra=fields(request_id=token.subject.request_id),
                )
                settled_by = SettledBy.HOLD
        status = requests.number(
            message.status or EventStatus.COMPLETED, "status", EventStatus.ENDED_BY_GATEWAY
        )
        return ops.Settle(
            hold_id=hold_id,
            wallet_id=token.wallet_id,
            token=token,
            measured=measured,
            model=measured.model or await self._desk.priced_model(token.subject),
            settled_by=settled_by,
            status=EventStatus(status),
            price_version=version,
            http_status=requests.number(message.http_status, "http_status", 599),
            latency_ms=requests.number(message.latency_ms, "latency_ms", LATENCY_MS_MAX),
            first_byte_ms=requests.number(message.first_byte_ms, "first_byte_ms", LATENCY_MS_MAX),
            reasoning_tokens=requests.number(
                message.reasoning_tokens, "reasoning_tokens", requests.TOKENS_MAX
            ),
            provider_request_id=requests.said(
                message.provider_request_id, PROVIDER_REQUEST_ID_CHARACTERS_MAX
            ),
            records=object_requests.records(caller, message.records),
        )

    async def _progress(self, caller: Principal, message: ledger_pb2.Progress) -> ops.Progress:
        hold_id = requests.operation_id(message.hold_id, "hold_id")
        ttl_ms = requests.ttl_ms(message.ttl_ms)
        if not message.hold_token:
            if message.units:
                raise Invalid("units need the hold's token", field="hold_token")
            wallet_id = await self._wallet(caller, hold_id, b"")
            return ops.Progress(hold_id, wallet_id, ttl_ms=ttl_ms)
        token = self._token(caller, message.hold_token, hold_id)
        measured = await self._so_far(token, message.units, message.variants)
        return ops.Progress(hold_id, token.wallet_id, measured, ttl_ms)

    async def _so_far(
        self, token: HoldToken, counts: Iterable[unit_pb2.UnitCount], said: Sequence[str]
    ) -> Measured:
        """What an open hold has cost so far; nothing where a unit has no price."""
        units, variants = requests.units(counts), requests.variants(said)
        try:
            if units:
                return (await self._desk.measure(token.subject, "", units, variants))[0]
        except Unpriced:
            # The hold must live on all the same; its settle will charge it whole.
            log.warning(
                "hold %s reports units without a price",
                token.hold_id.hex(),
                extra=fields(request_id=token.subject.request_id),
            )
        return Measured()

    async def _of_job(
        self, caller: Principal, message: jobs_pb2.StartJob | jobs_pb2.RenewJob
    ) -> tuple[HoldToken, Measured]:
        """Whose hold a job is of, and what it has cost so far.

        Only a facade speaks of jobs: it polls them with the operator's credential, and must
        not be sent to what an account does not own.
        """
        if caller.role not in {Role.OPERATOR, Role.SERVICE}:
            raise Forbidden("only a facade may start and renew jobs")
        hold_id = requests.operation_id(message.hold_id, "hold_id")
        token = self._token(caller, message.hold_token, hold_id)
        return token, await self._so_far(token, message.units, message.variants)

    async def _grant(self, caller: Principal, message: ledger_pb2.Grant) -> ops.Grant:
        if caller.role is not Role.OPERATOR:
            raise Forbidden("only the operator adds money")
        grant_id = requests.operation_id(message.grant_id, "grant_id")
        account = await self._store.account(message.account_id)
        if account is None:
            raise NotFound("there is no such account", field="account_id")
        total = requests.amount(message.amount_nano_usd, "amount_nano_usd", least=1)
        note = requests.text(message.note, "note", NOTE_CHARACTERS_MAX)
        return ops.Grant(grant_id, account.wallet_id, total, note)

    def _token(self, caller: Principal, data: bytes, hold_id: bytes) -> HoldToken:
        if not data:
            raise Invalid("give back the token that the reserve answered", field="hold_token")
        token = self._signer.decode(data, hold_id)
        _own_account(caller, token.subject.account_id)
        return token

    async def _wallet(self, caller: Principal, hold_id: bytes, token: bytes) -> int:
        """The wallet of a hold, from its token or, without one, from the books."""
        if token:
            return self._token(caller, token, hold_id).wallet_id
        wallet_id = await self._store.wallet_of(hold_id)
        own = caller.key is None or caller.key.wallet_id == wallet_id
        if wallet_id is None or not own:
            raise NotFound("there is no such hold", field="hold_id")
        return wallet_id


def _made_by_its_account(caller: Principal, token: HoldToken) -> None:
    """Only a facade says what a request cost that it has forwarded, or that it cost nothing.

    The owner of an account ends the holds that it made itself. A facade's holds have the id of
    their request, and their tokens say so, whoever asked for them.
    """
    if caller.key is not None and token.subject.request_id == request_name(token.hold_id):
        raise Forbidden("this hold is a request's that the gateway serves", field="hold_id")


def _own_account(caller: Principal, account_id: str) -> None:
    """Callers with a key act within their account; another's does not exist for them."""
    if caller.key is not None and caller.key.account_id != account_id:
        raise NotFound("there is no such key")
