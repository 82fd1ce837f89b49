"""Caps by calendar, rate limits and grace periods as the keys service takes and tells them."""

from __future__ import annotations

from typing import Any

import pytest
from mintgate import IdempotencyConflict, InvalidArgument, Minted, RateLimits, WindowCap
from mintgate.v1 import error_pb2, keys_pb2

from tests.core.service.harness import Rig, TurnedClock, refusal_of

HELD, COST = 200_000, 20_000
"""What the harness's reserve holds and what its settle charges, nano-USD."""

DAY_MS = 86_400_000


async def test_a_window_cap_is_told_with_its_use(rig: Rig, clock: TurnedClock) -> None:
    """The present window's bounds and use are told, and begin anew with the next window."""
    keys = rig.client().keys
    minted = await keys.mint("x", window_cap=WindowCap("day", cap_nano_usd=HELD + COST))
    empty = (await keys.get(minted.key.id)).window_cap
    assert empty.start_ms <= clock() < empty.end_ms == empty.start_ms + DAY_MS
    assert (empty.spent_nano_usd, empty.held_nano_usd) == (0, 0)
    await rig.charge(minted.secret)
    (held,) = await rig.apply(rig.reserve(minted.secret))
    assert held.HasField("reserved")
    (refused,) = await rig.apply(rig.reserve(minted.secret))
    assert refused.error.reason == error_pb2.ERROR_REASON_CAP_EXCEEDED
    used = (await keys.get(minted.key.id)).window_cap
    assert (used.spent_nano_usd, used.held_nano_usd) == (COST, HELD)
    clock.advance(DAY_MS)
    fresh = (await keys.get(minted.key.id)).window_cap
    assert fresh.start_ms == empty.end_ms
    assert (fresh.spent_nano_usd, fresh.held_nano_usd) == (0, 0)
    await rig.charge(minted.secret)


async def test_a_window_cap_is_set_changed_and_lifted(rig: Rig) -> None:
    """An update sets, moves and lifts the cap by calendar and leaves the other alone."""
    keys = rig.client().keys
    minted = await keys.mint("x", cap_nano_usd=10 * HELD)
    assert not minted.key.HasField("window_cap")
    cap = WindowCap("month", cap_nano_usd=COST, time_zone="Asia/Tokyo")
    key = await keys.update(minted.key.id, window_cap=cap)
    assert (key.window_cap.period, key.window_cap.time_zone) == (
        keys_pb2.WINDOW_PERIOD_MONTH,
        "Asia/Tokyo",
    )
    (refused,) = await rig.apply(rig.reserve(minted.secret))
    assert refused.HasField("error")
    key = await keys.update(minted.key.id, window_cap=None)
    assert not key.HasField("window_cap")
    assert key.cap_nano_usd == 10 * HELD
    await rig.charge(minted.secret)


@pytest.mark.parametrize(
    ("cap", "named"),
    [
        ({"period": 0, "cap_nano_usd": 1}, "window_cap.period"),
        ({"period": 9, "cap_nano_usd": 1}, "window_cap.period"),
        ({"period": 1, "cap_nano_usd": -1}, "window_cap.cap_nano_usd"),
        ({"period": 1, "time_zone": "Mars/Olympus"}, "window_cap.time_zone"),
        ({"period": 1, "time_zone": "../../etc/passwd"}, "window_cap.time_zone"),
        ({"period": 1, "time_zone": "localtime"}, "window_cap.time_zone"),
    ],
)
async def test_a_window_cap_that_makes_no_sense_is_refused(
    rig: Rig, cap: dict[str, Any], named: str
) -> None:
    """A period, amount or zone that does not exist is named."""
    request = keys_pb2.MintRequest(name="x", window_cap=keys_pb2.WindowCap(**cap))
    _, error = await refusal_of(rig.keys.Mint(request, metadata=rig.auth()))
    assert (error.reason, error.field) == (error_pb2.ERROR_REASON_INVALID_ARGUMENT, named)


async def test_rate_limits_are_kept_and_told(rig: Rig) -> None:
    """Limits are set at the mint, replaced as a whole, lifted, and bounded."""
    keys = rig.client().keys
    limits = RateLimits(requests_per_minute=1, tokens_per_minute=2, open_requests=3)
    minted = await keys.mint("x", rate_limits=limits)
    assert minted.key.rate_limits.tokens_per_minute == 2
    key = await keys.update(minted.key.id, rate_limits=RateLimits(open_requests=7))
    assert key.rate_limits == keys_pb2.RateLimits(open_requests=7)
    key = await keys.update(minted.key.id, rate_limits=None)
    assert not key.HasField("rate_limits")
    with pytest.raises(InvalidArgument, match="open_requests"):
        await keys.update(minted.key.id, rate_limits=RateLimits(open_requests=100_001))


async def test_a_repeated_mint_must_have_the_same_window(rig: Rig) -> None:
    """The same idempotency key with another cap by calendar is a conflict that names it."""
    keys = rig.client().keys
    first = await keys.mint("x", window_cap=WindowCap("day", cap_usd="1"), idempotency_key="once")
    again = await keys.mint("x", window_cap=WindowCap("day", cap_usd="1"), idempotency_key="once")
    assert (again.secret, again.replayed) == (first.secret, True)
    with pytest.raises(IdempotencyConflict) as caught:
        await keys.mint("x", window_cap=WindowCap("week", cap_usd="1"), idempotency_key="once")
    assert caught.value.field == "window_cap"


async def test_a_rotation_with_grace(rig: Rig, user: Minted, clock: TurnedClock) -> None:
    """Both secrets work until the grace is over; revoking or rotating again ends it at once."""
    keys = rig.client().keys
    rotated = await keys.rotate(user.key.id, grace_ms=1_000)
    assert rotated.key.previous_secret_until_ms == clock() + 1_000
    for secret in (user.secret, rotated.secret):
        await rig.charge(secret)
        assert (await rig.client(secret).keys.authenticate()).id == user.key.id
    clock.advance(1_000)
    (late,) = await rig.apply(rig.reserve(user.secret))
    assert late.error.reason == error_pb2.ERROR_REASON_UNAUTHENTICATED
    assert (await keys.get(user.key.id)).previous_secret_until_ms == 0
    second = await keys.rotate(user.key.id, grace_ms=60_000)
    third = await keys.rotate(user.key.id)
    (ended,) = await rig.apply(rig.reserve(second.secret))
    assert ended.error.reason == error_pb2.ERROR_REASON_UNAUTHENTICATED
    await rig.charge(third.secret)
    fourth = await keys.rotate(user.key.id, grace_ms=60_000)
    await keys.revoke(user.key.id)
    refused = await rig.apply(rig.reserve(third.secret), rig.reserve(fourth.secret))
    reasons = {result.error.reason for result in refused}
    assert reasons <= {
        error_pb2.ERROR_REASON_KEY_REVOKED,
        error_pb2.ERROR_REASON_UNAUTHENTICATED,
    }


async def test_grace_is_bounded(rig: Rig, user: Minted) -> None:
    """A grace period of more than 30 days is refused, and the secret stays."""
    with pytest.raises(InvalidArgument, match="grace_ms"):
        await rig.client().keys.rotate(user.key.id, grace_ms=30 * DAY_MS + 1)
    await rig.charge(user.secret)
