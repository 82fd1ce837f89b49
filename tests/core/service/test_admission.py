"""What a reserve is held against: caps, wallets, policies and allow-lists, over the wire."""

from __future__ import annotations

import pytest
from mintgate import CapExceeded, Minted, WalletEmpty
from mintgate.v1 import error_pb2, ledger_pb2

from tests.core.service.harness import (
    MAX_OUTPUT_TOKENS,
    MODEL,
    OPERATOR,
    OTHER_MODEL,
    PROVIDER,
    SERVICE,
    Rig,
    sha256,
)

HELD = 200_000
"""What the harness's reserve holds, nano-USD."""


async def test_a_cap_refuses_with_its_numbers(rig: Rig) -> None:
    """402 over the wire: what is needed, what is left, and the output that would still fit."""
    minted = await rig.client().keys.mint("small", cap_nano_usd=150_000)
    with pytest.raises(CapExceeded) as caught:
        await rig.client(SERVICE).ledger.reserve(
            secret=minted.secret,
            provider=PROVIDER,
            model=MODEL,
            bound=ledger_pb2.Bound(input_tokens=100, output_tokens=50),
        )
    error = caught.value
    assert error.required_nano_usd == HELD
    assert error.remaining_nano_usd == 150_000
    assert error.affordable_output_tokens == 25


async def test_a_cap_of_zero_admits_what_costs_nothing(rig: Rig) -> None:
    """0 is a cap like any other, not the absence of one."""
    minted = await rig.client().keys.mint("none", cap_nano_usd=0)
    free = ledger_pb2.Bound(input_tokens=0, output_tokens=0)
    one = ledger_pb2.Bound(input_tokens=1, output_tokens=0)
    nothing, something = await rig.apply(
        rig.reserve(minted.secret, bound=free), rig.reserve(minted.secret, bound=one)
    )
    assert nothing.reserved.amount_nano_usd == 0
    assert something.error.reason == error_pb2.ERROR_REASON_CAP_EXCEEDED
    assert something.error.remaining_nano_usd == 0


async def test_an_empty_wallet_is_told_apart_from_a_cap(rig: Rig) -> None:
    """An uncapped key of an account without money is refused as WALLET_EMPTY."""
    made = await rig.client(OPERATOR).accounts.create("poor")
    with pytest.raises(WalletEmpty) as caught:
        await rig.client(made.master_secret).ledger.reserve(
            key_id=made.master_key.id,
            provider=PROVIDER,
            model=MODEL,
            bound=ledger_pb2.Bound(input_tokens=100, output_tokens=50),
        )
    assert (caught.value.required_nano_usd, caught.value.remaining_nano_usd) == (HELD, 0)


async def test_an_unstated_limit_is_fitted_or_refused_by_the_keys_policy(rig: Rig) -> None:
    """FIT gives an eighth of what remains, as a limit; REJECT holds the model's maximum."""
    keys = rig.client().keys
    fit = await keys.mint("fit", cap_nano_usd=160_000_000)
    reject = await keys.mint("reject", cap_nano_usd=160_000_000, unbounded_output="reject")
    unstated = ledger_pb2.Bound(input_tokens=100)
    fitted, whole = await rig.apply(
        rig.reserve(fit.secret, bound=unstated), rig.reserve(reject.secret, bound=unstated)
    )
    assert fitted.reserved.output_fitted
    assert fitted.reserved.output_tokens == (20_000_000 - 100_000) // 2_000
    assert fitted.reserved.amount_nano_usd == 20_000_000
    assert not whole.reserved.output_fitted
    assert whole.reserved.output_tokens == MAX_OUTPUT_TOKENS


async def test_what_a_key_may_not_use_is_refused_by_name(rig: Rig) -> None:
    """Allow-lists of providers and of model patterns decide before any money does."""
    keys = rig.client().keys
    minted = await keys.mint(
        "narrow", allowed_providers=[PROVIDER], allowed_models=["sm*"], cap_nano_usd=0
    )
    provider, model, unpriced, capped = await rig.apply(
        rig.reserve(minted.secret, provider="openai", model="gpt-4o-mini"),
        rig.reserve(minted.secret, model=OTHER_MODEL),
        rig.reserve(minted.secret, model="small-but-unheard-of"),
        rig.reserve(minted.secret),
    )
    assert provider.error.reason == error_pb2.ERROR_REASON_PROVIDER_NOT_ALLOWED
    assert model.error.reason == error_pb2.ERROR_REASON_MODEL_NOT_ALLOWED
    assert unpriced.error.reason == error_pb2.ERROR_REASON_MODEL_UNPRICED
    assert capped.error.reason == error_pb2.ERROR_REASON_CAP_EXCEEDED


async def test_a_reserve_names_its_key_by_secret_or_by_id(rig: Rig, user: Minted) -> None:
    """Both ways lead to the same key; the secret travels as its SHA-256 only."""
    by_secret, by_id = await rig.apply(
        rig.reserve(user.secret), rig.reserve(user.secret, key_id=user.key.id)
    )
    assert by_secret.reserved.key_id == by_id.reserved.key_id == user.key.id
    assert sha256(user.secret) not in by_secret.reserved.hold_token
    assert user.secret.encode() not in by_secret.reserved.hold_token
