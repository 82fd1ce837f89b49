"""Calls of the accounts service. All are for the operator's credential only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintgate import ids
from mintgate.types import CreatedAccount
from mintgate.v1 import keys_pb2
from mintgate.v1.keys_pb2_grpc import AccountsServiceStub

from .base import Call, Paged, exact_nano_usd, whole

if TYPE_CHECKING:
    from mintgate.money import Usd


def create(
    name: str,
    *,
    postpaid: bool = False,
    grant_usd: Usd | None = None,
    grant_nano_usd: int | None = None,
    idempotency_key: str | None = None,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[CreatedAccount]:
    """Make an account with its first master key. Operator only.

    A prepaid account starts with the grant as its balance; a postpaid one has
    no ceiling of its own. Give the id of the event that caused the call as
    `idempotency_key`: a repeat within 24 hours answers the same account and the
    same secret. Without one the client makes its own, so that a retry of this
    call does not make two accounts.

    Raises `InvalidArgument`, `PermissionDenied`, `IdempotencyConflict`.
    """
    amount = exact_nano_usd(grant_usd, grant_nano_usd, name="grant", required=False)
    request = keys_pb2.CreateAccountRequest(
        name=name,
        postpaid=postpaid,
        grant_nano_usd=amount or 0,
        idempotency_key=idempotency_key or ids.id_text(ids.new_id()),
    )

    def read(response: keys_pb2.CreateAccountResponse) -> CreatedAccount:
        return CreatedAccount(
            response.account, response.master_key, response.master_secret, response.replayed
        )

    return Call(
        stub=AccountsServiceStub,
        method="CreateAccount",
        request=request,
        read=read,
        timeout_s=timeout_s,
        credential=credential,
    )


def list_page(
    *,
    page_size: int = 0,
    page_token: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[keys_pb2.ListAccountsResponse]:
    """Return one page of accounts. Operator only."""
    return Call(
        stub=AccountsServiceStub,
        method="ListAccounts",
        request=keys_pb2.ListAccountsRequest(page_size=page_size, page_token=page_token),
        read=whole,
        timeout_s=timeout_s,
        credential=credential,
    )


def list_all(
    *, page_size: int = 0, timeout_s: float | None = None, credential: str | None = None
) -> Paged[keys_pb2.Account]:
    """Iterate over all accounts. Operator only."""
    first = list_page(page_size=page_size, timeout_s=timeout_s, credential=credential)
    return Paged(first, lambda response: response.accounts, "page_token", "next_page_token")
