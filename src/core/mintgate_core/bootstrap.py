"""The first start: one account, its wallet, its master key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from mintgate_core.lane import Lanes
from mintgate_core.ledger.errors import Conflict, Invalid, LedgerError
from mintgate_core.ledger.operations import Grant
from mintgate_core.ledger.types import Account
from mintgate_core.secrets_of_keys import SECRET_PATTERN
from mintgate_core.service.minting import Mint
from mintgate_core.stores.base import Store

ACCOUNT_NAME = "default"
FIRST_ACCOUNT_ID = "acc_" + "0" * 32
"""Always the same, so that of several cores that start on an empty database one makes the
account and the others are refused a second one by the primary key."""

UUID_VERSION_7 = 0x70
UUID_VARIANT = 0x80


@dataclass(frozen=True, slots=True)
class FirstAccount:
    """What the first start makes."""

    master_key: str = field(default="", repr=False)
    """Empty: generate one."""
    wallet_nano_usd: int = 0
    postpaid: bool = False


async def bootstrap(store: Store, lanes: Lanes, mint: Mint, first: FirstAccount) -> str:
    """Make the first account unless there is one.

    Returns the master key's secret when one was generated just now, else "".
    A crash between the account and its balance is healed by the next start:
    the grant's id follows from the account's, so it happens exactly once.
    """
    generated = ""
    account = await _first(store)
    if account is None:
        if first.master_key and not SECRET_PATTERN.fullmatch(first.master_key):
            raise Invalid("the bootstrap master key must be qlk_live_ and 64 hex digits")
        try:
            account, master = await mint.account(
                ACCOUNT_NAME,
                postpaid=first.postpaid,
                secret=first.master_key,
                account_id=FIRST_ACCOUNT_ID,
            )
        except Conflict:
            # Another core started at the same moment and was first; its account is ours.
            account = await _first(store)
            if account is None:
                raise
        else:
            generated = "" if first.master_key else master.secret
    if not account.postpaid and account.name == ACCOUNT_NAME and first.wallet_nano_usd:
        grant_id = first_grant_id(account.account_id)
        if await store.wallet_of(grant_id) is None:
            grant = Grant(grant_id, account.wallet_id, first.wallet_nano_usd, "first balance")
            (answer,) = await lanes.submit([grant])
            if isinstance(answer, LedgerError):
                raise answer
    return generated


async def _first(store: Store) -> Account | None:
    accounts = await store.accounts("", 1)
    return accounts[0] if accounts else None


def first_grant_id(account_id: str) -> bytes:
    """The id of an account's first grant, shaped as a UUIDv7."""
    digest = bytearray(hashlib.sha256(f"first grant {account_id}".encode()).digest()[:16])
    digest[6] = UUID_VERSION_7 | (digest[6] & 0x0F)
    digest[8] = UUID_VARIANT | (digest[8] & 0x3F)
    return bytes(digest)
