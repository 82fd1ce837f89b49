"""`/v1/accounts`: the operator's own routes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from mintgate.money import nano_usd
from mintgate.v1.keys_pb2 import Account, CreateAccountRequest, ListAccountsRequest
from starlette.responses import Response

from mintgate_facade.control import schemas
from mintgate_facade.control.core import CoreDependency
from mintgate_facade.control.keys import IDEMPOTENCY_KEY_CHARACTERS_MAX, key_view
from mintgate_facade.control.models import AccountPage, MakeAccount
from mintgate_facade.control.reading import credential, read_model
from mintgate_facade.control.writing import answer

router = APIRouter(tags=["accounts"])


@router.post(
    "/v1/accounts",
    status_code=201,
    openapi_extra=schemas.body(MakeAccount),
    responses=schemas.answers(201, schemas.MadeAccount),
)
async def make_account(
    request: Request,
    core: CoreDependency,
    idempotency_key: Annotated[str, Header(max_length=IDEMPOTENCY_KEY_CHARACTERS_MAX)] = "",
) -> Response:
    """Make an account with its wallet and its first master key, whose secret is shown once.

    A repeat with the same `Idempotency-Key` within 24 hours gives the same answer.
    """
    caller = credential(request)
    body = await read_model(request, MakeAccount)
    granted = 0 if body.grant_usd is None else nano_usd(body.grant_usd, field="grant_usd")
    response = await core.call(
        core.accounts.CreateAccount,
        CreateAccountRequest(
            name=body.name,
            postpaid=body.postpaid,
            grant_nano_usd=granted,
            idempotency_key=idempotency_key,
        ),
        caller,
    )
    master = key_view(response.master_key) | {"secret": response.master_secret}
    view = _account_view(response.account) | {"master_key": master}
    return answer(view | {"replayed": response.replayed}, 201)


@router.get("/v1/accounts", responses=schemas.answers(200, schemas.AccountListAnswer))
async def list_accounts(
    request: Request, core: CoreDependency, page: Annotated[AccountPage, Query()]
) -> Response:
    """List all accounts."""
    response = await core.call(
        core.accounts.ListAccounts,
        ListAccountsRequest(page_size=page.limit, page_token=page.cursor),
        credential(request),
    )
    accounts = [_account_view(account) for account in response.accounts]
    return answer({"accounts": accounts, "next_cursor": response.next_page_token or None})


def _account_view(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "postpaid": account.postpaid,
        "created_at": account.created_at_ms,
    }
