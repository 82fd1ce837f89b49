"""A mint that is repeated: the same key, the same secret, and never another's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mintgate import CreatedAccount, IdempotencyConflict, InvalidArgument, Minted
from mintgate.v1 import keys_pb2, ledger_pb2
from mintgate_core.secrets_of_keys import digest
from mintgate_core.service.minting import Minted as CoreMinted

from tests.core.service.harness import OPERATOR, START_MS, Rig, TurnedClock

DAY_MS = 24 * 60 * 60 * 1_000
WEBHOOK = "evt_1"


async def mint(rig: Rig, credential: str = "", **changes: Any) -> Minted:
    """Mint under WEBHOOK unless told otherwise."""
    values: dict[str, Any] = {"name": "ada", "cap_usd": "5", "idempotency_key": WEBHOOK, **changes}
    return await rig.client(credential).keys.mint(**values)


async def test_a_repeat_tells_the_same_secret_again(rig: Rig) -> None:
    """The second delivery of a webhook gets the key and the secret of the first."""
    first = await mint(rig)
    again = await mint(rig)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.key, again.secret) == (first.key, first.secret)
    assert (await rig.client(again.secret).keys.authenticate()).id == first.key.id


async def test_a_repeat_is_known_after_a_restart(rig: Rig) -> None:
    """The secret follows from the caller's own and the store, not from a process's memory."""
    first = await mint(rig)
    await rig.restart()
    assert (await mint(rig)).secret == first.secret


CHANGES: dict[str, dict[str, Any]] = {
    "name": {"name": "bob"},
    "scope": {"scope": "master"},
    "cap_nano_usd": {"cap_usd": "6"},
    "expires_at_ms": {"expires_at_ms": START_MS + DAY_MS},
    "external_user_id": {"external_user_id": "u1"},
    "metadata": {"metadata": {"plan": "pro"}},
    "allowed_providers": {"allowed_providers": ["openai"]},
    "allowed_models": {"allowed_models": ["gpt-*"]},
    "allowed_origins": {"allowed_origins": ["https://app.example.com"]},
    "allowed_cidrs": {"allowed_cidrs": ["203.0.113.0/24"]},
    "unbounded_output": {"unbounded_output": "reject"},
    "on_disconnect": {"on_disconnect": "drain"},
}


@pytest.mark.parametrize(("field", "change"), CHANGES.items(), ids=CHANGES)
async def test_a_repeat_with_another_wish_is_a_conflict(
    rig: Rig, field: str, change: dict[str, Any]
) -> None:
    """The same idempotency key with another body names the field that differs."""
    await mint(rig)
    with pytest.raises(IdempotencyConflict) as caught:
        await mint(rig, **change)
    assert caught.value.field == field
    assert len((await rig.client().keys.list_page()).keys) == 2


async def test_no_cap_and_a_cap_of_zero_differ(rig: Rig) -> None:
    """A repeat that asks for a cap of 0 where there was none is a conflict."""
    await mint(rig, cap_usd=None)
    with pytest.raises(IdempotencyConflict) as caught:
        await mint(rig, cap_usd="0")
    assert caught.value.field == "cap_nano_usd"


async def test_the_order_of_metadata_makes_no_other_wish(rig: Rig) -> None:
    """A map has no order: the same entries are the same mint."""
    entries = [("a", "1"), ("b", "2"), ("c", "3")]
    first = await mint(rig, metadata=dict(entries))
    again = await mint(rig, metadata=dict(reversed(entries)))
    assert again.secret == first.secret


async def test_words_left_out_are_the_defaults(rig: Rig) -> None:
    """Saying nothing and saying the default are the same wish."""
    spelled = keys_pb2.MintRequest(
        name="ada",
        scope=keys_pb2.KEY_SCOPE_STANDARD,
        unbounded_output=keys_pb2.UNBOUNDED_OUTPUT_FIT,
        on_disconnect=ledger_pb2.ON_DISCONNECT_ABORT,
        idempotency_key=WEBHOOK,
    )
    silent = keys_pb2.MintRequest(name="ada", idempotency_key=WEBHOOK)
    first = await rig.keys.Mint(spelled, metadata=rig.auth())
    again = await rig.keys.Mint(silent, metadata=rig.auth())
    assert again.secret == first.secret


async def test_deliveries_at_once_make_one_key(rig: Rig) -> None:
    """Twenty concurrent repeats are answered with one key and one secret."""
    minted = await asyncio.gather(*[mint(rig) for _ in range(20)])
    assert len({m.key.id for m in minted}) == 1
    assert len({m.secret for m in minted}) == 1
    assert [m.replayed for m in minted].count(False) == 1
    assert len((await rig.client().keys.list_page()).keys) == 2


async def test_each_minter_has_idempotency_keys_of_its_own(rig: Rig) -> None:
    """The same idempotency key from another master, account or role is another mint."""
    second = await rig.client().keys.mint("second", scope="master")
    stranger = await rig.second_account()
    others = [
        await mint(rig),
        await mint(rig, second.secret),
        await mint(rig, OPERATOR),
        await stranger.keys.mint("ada", cap_usd="5", idempotency_key=WEBHOOK),
    ]
    assert len({m.key.id for m in others}) == len({m.secret for m in others}) == 4
    assert not any(m.replayed for m in others)


async def test_an_operators_repeat_is_of_one_account(rig: Rig) -> None:
    """The operator's idempotency key names one mint over all accounts."""
    made = await rig.client(OPERATOR).accounts.create("other")
    await mint(rig, OPERATOR)
    with pytest.raises(IdempotencyConflict) as caught:
        await mint(rig, OPERATOR, account_id=made.account.id)
    assert caught.value.field == "account_id"


async def test_a_repeat_is_known_for_a_day(rig: Rig, clock: TurnedClock) -> None:
    """24 hours later it is the same mint still; one millisecond more and it is a new one."""
    first = await mint(rig)
    clock.advance(DAY_MS)
    assert (await mint(rig)).secret == first.secret
    clock.advance(1)
    later = await mint(rig, cap_usd="6")
    assert not later.replayed
    assert later.key.id != first.key.id
    assert later.secret != first.secret
    assert (await mint(rig, cap_usd="6")).secret == later.secret


async def test_without_an_idempotency_key_each_mint_is_new(rig: Rig) -> None:
    """An empty idempotency key is none."""
    request = keys_pb2.MintRequest(name="ada")
    answers = [await rig.keys.Mint(request, metadata=rig.auth()) for _ in range(2)]
    assert answers[0].key.id != answers[1].key.id


async def test_a_refused_mint_does_not_use_up_its_idempotency_key(rig: Rig) -> None:
    """After a refusal the corrected request goes through under the same key."""
    with pytest.raises(InvalidArgument):
        await mint(rig, name="")
    assert not (await mint(rig)).replayed


@pytest.mark.parametrize("whose", ["the key's", "its minter's"])
async def test_a_secret_that_was_rotated_is_not_told_again(rig: Rig, whose: str) -> None:
    """A repeat after a rotation is refused rather than answered with a secret that fails."""
    second = await rig.client().keys.mint("second", scope="master")
    first = await mint(rig, second.secret)
    rotated = await rig.client().keys.rotate(
        first.key.id if whose == "the key's" else second.key.id
    )
    credential = second.secret if whose == "the key's" else rotated.secret
    with pytest.raises(IdempotencyConflict) as caught:
        await mint(rig, credential)
    assert caught.value.field == "idempotency_key"


async def test_a_repeat_of_a_revoked_key_says_so(rig: Rig) -> None:
    """A repeat makes nothing new: a key revoked meanwhile is answered as revoked."""
    first = await mint(rig)
    await rig.client().keys.revoke(first.key.id)
    again = await mint(rig)
    assert (again.replayed, again.key.status) == (True, keys_pb2.KEY_STATUS_REVOKED)


async def test_only_the_digest_is_kept(rig: Rig) -> None:
    """The store finds a key by the SHA-256 of its secret and has nothing else of it."""
    first = await mint(rig)
    key = await rig.core.store.key_by_secret(digest(first.secret))
    assert key is not None
    assert key.key_id == first.key.id
    assert first.secret not in repr(key)
    assert first.secret not in repr(CoreMinted(key, first.secret))


# ------------------------------------------------------------------------------- accounts


async def create(rig: Rig, **changes: Any) -> CreatedAccount:
    """Make an account under WEBHOOK unless told otherwise."""
    values: dict[str, Any] = {"name": "acme", "grant_usd": "5", "idempotency_key": WEBHOOK}
    return await rig.client(OPERATOR).accounts.create(**(values | changes))


async def test_a_repeated_account_is_the_same_account(rig: Rig) -> None:
    """A repeat, also after a restart, tells the account and the secret again; money comes once."""
    first = await create(rig)
    again = await create(rig)
    await rig.restart()
    later = await create(rig)
    assert [made.replayed for made in (first, again, later)] == [False, True, True]
    assert first.account == again.account == later.account
    assert first.master_secret == again.master_secret == later.master_secret
    balance = await rig.client(later.master_secret).ledger.balance()
    assert balance.balance_nano_usd == 5 * 10**9
    assert len((await rig.client(OPERATOR).accounts.list_page()).accounts) == 2


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("name", {"name": "other"}),
        ("grant_nano_usd", {"grant_usd": "6"}),
        ("postpaid", {"grant_usd": None, "postpaid": True}),
    ],
)
async def test_a_repeated_account_with_another_wish_is_a_conflict(
    rig: Rig, field: str, change: dict[str, Any]
) -> None:
    """The same idempotency key with another body names a field that differs, and makes nothing."""
    await create(rig, **({"grant_usd": None} if field == "postpaid" else {}))
    with pytest.raises(IdempotencyConflict) as caught:
        await create(rig, **change)
    assert caught.value.field == field
    assert len((await rig.client(OPERATOR).accounts.list_page()).accounts) == 2


async def test_accounts_at_once_are_one_account(rig: Rig) -> None:
    """Twenty concurrent repeats are answered with one account and one secret."""
    made = await asyncio.gather(*[create(rig) for _ in range(20)])
    assert len({m.account.id for m in made}) == len({m.master_secret for m in made}) == 1
    assert [m.replayed for m in made].count(False) == 1
    assert len((await rig.client(OPERATOR).accounts.list_page()).accounts) == 2


async def test_an_account_and_a_mint_may_share_a_name(rig: Rig) -> None:
    """The operator's idempotency key of an account is not that of a mint."""
    made = await create(rig)
    minted = await mint(rig, OPERATOR)
    assert not minted.replayed
    assert (await create(rig)).master_secret == made.master_secret != minted.secret


async def test_an_account_whose_secret_was_rotated_is_not_told_again(rig: Rig) -> None:
    """The secret that a repeat could tell opens nothing any more, so there is none."""
    made = await create(rig)
    await rig.client(OPERATOR).keys.rotate(made.master_key.id)
    with pytest.raises(IdempotencyConflict) as caught:
        await create(rig)
    assert caught.value.field == "idempotency_key"


async def test_an_account_is_made_anew_after_a_day(rig: Rig, clock: TurnedClock) -> None:
    """An idempotency key that is a day old names another account."""
    first = await create(rig)
    clock.advance(DAY_MS + 1)
    assert (await create(rig)).account.id != first.account.id
