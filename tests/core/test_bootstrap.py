"""The first start makes one account, once, whatever happened half way."""

from __future__ import annotations

from pathlib import Path

import pytest
from mintgate_core.app import CoreOptions, running
from mintgate_core.bootstrap import ACCOUNT_NAME, FirstAccount, first_grant_id
from mintgate_core.ledger.errors import Invalid
from mintgate_core.ledger.types import Account, Key, KeyScope
from mintgate_core.secrets_of_keys import SECRET_PATTERN, digest, new_secret
from mintgate_core.service.minting import Mint
from mintgate_core.stores.base import Store
from mintgate_core.stores.sqlite import SqliteStore

WALLET_NANO_USD = 100 * 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mintgate.db"


def options(path: Path, first: FirstAccount) -> CoreOptions:
    return CoreOptions(path, "o" * 32, "s" * 32, first=first, sweep=False)


async def start(path: Path, first: FirstAccount) -> str:
    """Start and stop a core; returns the master key that it made."""
    async with running(options(path, first)) as core:
        return core.generated_master_key


async def books(store: Store) -> list[tuple[str, int, list[int]]]:
    """Every account's name, wallet ceiling and grants."""
    found = []
    for account in await store.accounts("", 10):
        line = (await store.lines([account.wallet_id]))[account.wallet_id]
        grants = [entry.granted for entry in await store.journal(account.wallet_id, 0, 10)]
        found.append((account.name, line.ceiling, grants))
    return found


async def look(path: Path, secret: str = "") -> tuple[list[tuple[str, int, list[int]]], Key | None]:
    """The books of a stopped core, and the key that a secret opens."""
    store = SqliteStore.open(path)
    try:
        return await books(store), await store.key_by_secret(digest(secret))
    finally:
        await store.close()


async def test_the_first_start_makes_a_master_key_once(path: Path) -> None:
    """The first start tells a new master key; later starts tell none and change nothing."""
    first = FirstAccount(wallet_nano_usd=WALLET_NANO_USD)
    secret = await start(path, first)
    assert SECRET_PATTERN.fullmatch(secret)
    for _ in range(2):
        assert await start(path, first) == ""
    found, key = await look(path, secret)
    assert found == [(ACCOUNT_NAME, WALLET_NANO_USD, [WALLET_NANO_USD])]
    assert key is not None
    assert (key.scope, key.cap_nano_usd) == (KeyScope.MASTER, None)


async def test_a_given_master_key_is_used_and_not_told(path: Path) -> None:
    """The operator knows it already; another one at a later start is not taken up."""
    given, later = new_secret(), new_secret()
    assert await start(path, FirstAccount(given, WALLET_NANO_USD)) == ""
    assert await start(path, FirstAccount(later, WALLET_NANO_USD)) == ""
    assert (await look(path, given))[1] is not None
    found, key = await look(path, later)
    assert key is None
    assert found == [(ACCOUNT_NAME, WALLET_NANO_USD, [WALLET_NANO_USD])]


async def test_another_balance_at_a_later_start_grants_nothing(path: Path) -> None:
    """The first balance is of the first start; money is added by grants."""
    await start(path, FirstAccount(wallet_nano_usd=WALLET_NANO_USD))
    await start(path, FirstAccount(wallet_nano_usd=5 * WALLET_NANO_USD))
    assert (await look(path))[0] == [(ACCOUNT_NAME, WALLET_NANO_USD, [WALLET_NANO_USD])]


async def test_a_start_that_died_half_way_is_healed(path: Path) -> None:
    """An account whose balance never came gets it at the next start, exactly once."""
    store = SqliteStore.open(path)
    account, master = await Mint(store).account(ACCOUNT_NAME, postpaid=False)
    assert await books(store) == [(ACCOUNT_NAME, 0, [])]
    await store.close()
    for _ in range(2):
        assert await start(path, FirstAccount(wallet_nano_usd=WALLET_NANO_USD)) == ""
    found, key = await look(path, master.secret)
    assert found == [(ACCOUNT_NAME, WALLET_NANO_USD, [WALLET_NANO_USD])]
    assert key is not None
    assert key.account_id == account.account_id


async def test_a_postpaid_first_account_takes_no_balance(path: Path) -> None:
    """Postpaid has no ceiling and no grant, at this start and at the next."""
    first = FirstAccount(wallet_nano_usd=WALLET_NANO_USD, postpaid=True)
    assert await start(path, first)
    assert await start(path, first) == ""
    store = SqliteStore.open(path)
    (account,) = await store.accounts("", 10)
    assert isinstance(account, Account)
    assert account.postpaid
    assert [grants for _, _, grants in await books(store)] == [[]]
    await store.close()


async def test_a_first_balance_of_nothing_is_none(path: Path) -> None:
    """0 writes no grant."""
    assert await start(path, FirstAccount())
    assert (await look(path))[0] == [(ACCOUNT_NAME, 0, [])]


async def test_accounts_of_the_operator_get_no_first_balance(path: Path) -> None:
    """Where the oldest account is not the first start's own, a start gives nothing away."""
    store = SqliteStore.open(path)
    await Mint(store).account("somebody", postpaid=False)
    await store.close()
    assert await start(path, FirstAccount(wallet_nano_usd=WALLET_NANO_USD)) == ""
    assert (await look(path))[0] == [("somebody", 0, [])]


@pytest.mark.parametrize("text", ["qlk_live_short", "sk-" + "a" * 64, "qlk_live_" + "G" * 64])
async def test_a_bad_master_key_stops_the_start(path: Path, text: str) -> None:
    """It is refused by itself, not repeated, and nothing is made."""
    with pytest.raises(Invalid, match="64 hex digits") as caught:
        await start(path, FirstAccount(text, WALLET_NANO_USD))
    assert text not in str(caught.value)
    assert (await look(path))[0] == []


def test_the_first_grants_id_follows_from_the_account() -> None:
    """Always the same UUIDv7 for one account, another one for another."""
    first = first_grant_id("acc_1")
    assert first == first_grant_id("acc_1") != first_grant_id("acc_2")
    assert (len(first), first[6] >> 4, first[8] >> 6) == (16, 7, 0b10)
