"""What a hold becomes: exact charges, whole holds, late ones, repeats."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from mintgate import Minted, new_id
from mintgate.v1 import ledger_pb2, meter_pb2, unit_pb2
from mintgate.v1.jobs_pb2 import StartJob

from tests.core.service.harness import (
    INPUT_PICO_USD,
    MODEL,
    OPERATOR,
    OTHER_MODEL,
    OUTPUT_PICO_USD,
    Rig,
    TurnedClock,
    counts,
    price_of,
)

HELD, COST = 200_000, 20_000
"""What the harness's reserve holds and what its settle charges, nano-USD."""

Operation = ledger_pb2.Operation


async def last_event(rig: Rig) -> meter_pb2.Event:
    """The newest charge of the first account."""
    return (await rig.client().meter.events_page(page_size=1)).events[0]


UNREADABLE = {
    "no price on this card": counts(input_tokens=1, web_searches=1),
    "newer than this release": [unit_pb2.UnitCount(unit=99, count=1)],  # type: ignore[arg-type]
    "not said": [unit_pb2.UnitCount(unit=unit_pb2.UNIT_UNSPECIFIED, count=1)],
    "beyond all money": counts(output_tokens=2**40),
}


@pytest.mark.parametrize("units", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cannot_be_priced_is_charged_whole(
    rig: Rig, user: Minted, units: list[unit_pb2.UnitCount]
) -> None:
    """Units without a price charge the whole hold: neither refused nor free."""
    await rig.client().meter.put_price(price_of("vast", INPUT_PICO_USD, 2**53))
    vast = units[0].count == 2**40
    bound = ledger_pb2.Bound(input_tokens=200, output_tokens=0)
    hold = rig.reserve(user.secret, bound=bound, model="vast" if vast else MODEL)
    async with rig.link() as link:
        (held,) = await link.send(hold)
        (result,) = await link.send(rig.settle(hold, held, units=units))
    assert result.settled.charged_nano_usd == result.settled.actual_nano_usd == HELD
    event = await last_event(rig)
    assert event.settled_by == ledger_pb2.SETTLED_BY_HOLD
    assert event.charged_nano_usd == HELD
    assert len(event.units) == 0


async def test_a_hold_can_be_charged_whole_on_request(rig: Rig, user: Minted) -> None:
    """SETTLED_BY_HOLD ignores the units that come with it."""
    settled = await rig.charge(user.secret, settled_by=ledger_pb2.SETTLED_BY_HOLD)
    assert settled.charged_nano_usd == HELD
    assert (await last_event(rig)).settled_by == ledger_pb2.SETTLED_BY_HOLD


async def test_a_whole_hold_is_booked_under_the_priced_model(rig: Rig, user: Minted) -> None:
    """A request under an alias stands under its model in the sums, however it was settled."""
    hold = rig.reserve(user.secret, provider="openai", model="gpt-4o-mini-2024-07-18")
    for settled_by in (ledger_pb2.SETTLED_BY_USAGE, ledger_pb2.SETTLED_BY_HOLD):
        hold.reserve.hold_id = new_id()
        (held,) = await rig.apply(hold)
        await rig.apply(rig.settle(hold, held, settled_by=settled_by))
        event = await last_event(rig)
        assert (event.model, event.requested_model) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    (model,) = (await rig.client().meter.usage()).by_model
    assert model.totals.request_count == 2


async def test_the_price_is_frozen_at_the_reserve(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """A price that changes between reserve and settle does not touch the hold's charge."""
    hold, progress = rig.reserve(user.secret), ledger_pb2.Progress()
    (held,) = await rig.apply(hold)
    await rig.client(OPERATOR).meter.put_price(
        price_of(MODEL, 7 * INPUT_PICO_USD, 7 * OUTPUT_PICO_USD, effective_at_ms=clock.now_ms)
    )
    progress.hold_id, progress.hold_token = hold.reserve.hold_id, held.reserved.hold_token
    progress.units.extend(counts(output_tokens=1))
    progressed, settled = await rig.apply(
        Operation(progress=progress), rig.settle(hold, held, model=MODEL)
    )
    assert progressed.progressed.metered_nano_usd == 2_000
    assert settled.settled.charged_nano_usd == COST
    assert (await rig.charge(user.secret)).charged_nano_usd == 7 * COST


async def test_the_frozen_price_survives_a_restart(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """A core that starts after the change still rates an old hold at its own card."""
    hold = rig.reserve(user.secret)
    (held,) = await rig.apply(hold)
    await rig.client(OPERATOR).meter.put_price(
        price_of(MODEL, 7 * INPUT_PICO_USD, 7 * OUTPUT_PICO_USD, effective_at_ms=clock.now_ms)
    )
    await rig.restart()
    (result,) = await rig.apply(rig.settle(hold, held))
    assert result.settled.charged_nano_usd == COST
    assert (await rig.charge(user.secret)).charged_nano_usd == 7 * COST


async def lose_card(rig: Rig, version: str) -> None:
    """What a failover without the last commits does to a card that no process has in memory."""
    await rig.stop()
    with contextlib.closing(sqlite3.connect(rig.path)) as file:
        assert file.execute("delete from price_card where version = ?", [version]).rowcount == 1
        file.execute("delete from price_override where card_json like ?", [f"%{version}%"])
        file.commit()
    await rig.start()


async def test_a_hold_whose_price_is_lost_is_charged_whole(
    rig: Rig, user: Minted, caplog: pytest.LogCaptureFixture
) -> None:
    """Its reports and its settle are neither refused nor free, and the operator is told."""
    hold, job = rig.reserve(user.secret), rig.reserve(user.secret)
    held, of_job = await rig.apply(hold, job)
    await rig.charge(user.secret)
    await lose_card(rig, (await last_event(rig)).price_version)
    token, job_id = of_job.reserved.hold_token, job.reserve.hold_id
    units = counts(input_tokens=5)
    start = StartJob(
        hold_id=job_id, hold_token=token, surface="s", operation="batch", object_id="b", units=units
    )
    report = ledger_pb2.Progress(
        hold_id=hold.reserve.hold_id, hold_token=held.reserved.hold_token, units=units
    )
    results = await rig.apply(
        Operation(progress=report),
        Operation(start_job=start),
        rig.settle(hold, held),
        rig.settle(job, of_job),
    )
    assert [result.WhichOneof("outcome") for result in results] == [
        "progressed",
        "started_job",
        "settled",
        "settled",
    ]
    assert [result.settled.charged_nano_usd for result in results[2:]] == [HELD, HELD]
    event = await last_event(rig)
    assert (event.settled_by, event.model) == (ledger_pb2.SETTLED_BY_HOLD, MODEL)
    assert f"hold {job_id.hex()} is charged whole" in caplog.text


async def test_an_answer_under_its_dated_name_keeps_the_frozen_price(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """An answer that names the asked model's dated id is rated at the hold's card."""
    hold = rig.reserve(user.secret, provider="openai", model="gpt-4o-mini")
    (held,) = await rig.apply(hold)
    dearer = price_of("gpt-4o-mini", 10**9, 10**9, effective_at_ms=clock.now_ms)
    dearer.provider = "openai"
    await rig.client(OPERATOR).meter.put_price(dearer)
    (result,) = await rig.apply(rig.settle(hold, held, model="gpt-4o-mini-2024-07-18"))
    # 10 x 0.15 and 5 x 0.60 USD a million tokens.
    assert result.settled.charged_nano_usd == 4_500
    assert (await last_event(rig)).model == "gpt-4o-mini"


async def test_another_models_answer_has_its_own_price(rig: Rig, user: Minted) -> None:
    """A router that answers with another model is rated at that model's card."""
    settled = await rig.charge(user.secret, model=OTHER_MODEL)
    assert settled.charged_nano_usd == 10 * COST
    event = await last_event(rig)
    assert (event.model, event.requested_model) == (OTHER_MODEL, MODEL)


@pytest.mark.parametrize("model", ["a-model-without-a-price", "x" * 300, "line\nbreak\x00"])
async def test_an_answer_of_an_unknown_model_keeps_the_frozen_price(
    rig: Rig, user: Minted, model: str
) -> None:
    """What the provider says of itself can neither lose a charge nor make it free."""
    settled = await rig.charge(user.secret, model=model)
    assert settled.charged_nano_usd == COST
    assert (await last_event(rig)).model == MODEL


async def test_what_a_provider_says_loses_no_charge(rig: Rig, user: Minted) -> None:
    """Variants and ids beyond every limit are cut and cleaned; the settle goes through."""
    settled = await rig.charge(
        user.secret,
        variants=["", "service_tier=\x00" + "x" * 300, *[f"a={i}" for i in range(40)]],
        provider_request_id="re\x00q\n1",
    )
    assert settled.charged_nano_usd == COST
    event = await last_event(rig)
    assert event.provider_request_id == "req1"
    assert event.variants[0] == ("service_tier=" + "x" * 300)[:256]
    assert len(event.variants) == 15


async def test_an_overrun_takes_what_the_lines_allow(rig: Rig) -> None:
    """Beyond the hold the cap decides; what it does not allow is absorbed and flagged."""
    minted = await rig.client().keys.mint("tight", cap_nano_usd=HELD + 1_000)
    settled = await rig.charge(minted.secret, units=counts(output_tokens=1_000))
    assert settled.actual_nano_usd == 2_000_000
    assert settled.charged_nano_usd == HELD + 1_000
    assert settled.absorbed_nano_usd == 2_000_000 - HELD - 1_000
    assert settled.remaining_nano_usd == 0
    event = await last_event(rig)
    assert (event.overrun, event.absorbed_nano_usd) == (True, settled.absorbed_nano_usd)


async def test_an_expired_hold_is_charged_what_it_had_metered(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """Progress, silence, expiry: the last progress is the charge, marked as such."""
    hold = rig.reserve(user.secret, ttl_ms=5_000)
    async with rig.link() as link:
        (held,) = await link.send(hold)
        for output in (3, 2):
            (result,) = await link.send(
                Operation(
                    progress=ledger_pb2.Progress(
                        hold_id=hold.reserve.hold_id,
                        hold_token=held.reserved.hold_token,
                        units=counts(input_tokens=10, output_tokens=output),
                        ttl_ms=2_000,
                    )
                )
            )
            # A later report of less is late, not right.
            assert result.progressed.metered_nano_usd == 16_000
    assert result.progressed.expires_at_ms == clock.now_ms + 5_000
    clock.advance(4_999)
    assert await rig.sweep() == 0
    clock.advance(1)
    assert await rig.sweep() == 1
    event = await last_event(rig)
    assert event.charged_nano_usd == 16_000
    assert (event.settled_by, event.status) == (
        ledger_pb2.SETTLED_BY_EXPIRY,
        ledger_pb2.EVENT_STATUS_EXPIRED,
    )
    (late,) = await rig.apply(rig.settle(hold, held))
    assert (late.settled.late, late.settled.charged_nano_usd) == (True, COST - 16_000)
    event = await last_event(rig)
    assert (event.late, event.prior_nano_usd, event.actual_nano_usd) == (True, 16_000, 4_000)
    usage = await rig.client().meter.usage()
    assert (usage.totals.request_count, usage.totals.cost_nano_usd) == (1, COST)


async def test_a_late_settle_is_recorded_after_a_restart(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """A hold that expired while nobody ran is gone for free, and its token still charges it."""
    hold = rig.reserve(user.secret, ttl_ms=1_000)
    (held,) = await rig.apply(hold)
    clock.advance(60_000)
    await rig.restart()
    assert await rig.sweep() == 1
    assert (await rig.client().ledger.balance()).held_nano_usd == 0
    await rig.restart()
    for _ in range(2):
        (late,) = await rig.apply(rig.settle(hold, held))
        assert (late.settled.late, late.settled.charged_nano_usd) == (True, COST)
    assert (await rig.client().ledger.balance()).spent_nano_usd == COST


async def test_a_settle_after_a_release_is_recorded(rig: Rig, user: Minted) -> None:
    """An answer that was billed after all is charged, once, even if its hold was given back."""
    hold = rig.reserve(user.secret)
    (held,) = await rig.apply(hold)
    release = Operation(release=ledger_pb2.Release(hold_id=hold.reserve.hold_id))
    released, settled = await rig.apply(release, rig.settle(hold, held))
    assert released.released.amount_nano_usd == HELD
    assert (settled.settled.late, settled.settled.charged_nano_usd) == (True, COST)


async def test_what_was_told_of_the_request_stands_on_its_event(rig: Rig, user: Minted) -> None:
    """Route, ids, status and times of a settle are kept as they came, an id cut to its limit."""
    hold = rig.reserve(user.secret, request_id="req-1", route="chat.completions")
    (held,) = await rig.apply(hold)
    settle = rig.settle(
        hold,
        held,
        http_status=200,
        latency_ms=1_234,
        first_byte_ms=56,
        reasoning_tokens=3,
        provider_request_id="r" * 200,
        status=ledger_pb2.EVENT_STATUS_CLIENT_GONE,
        settled_by=ledger_pb2.SETTLED_BY_COUNTED,
    )
    await rig.apply(settle)
    event = await last_event(rig)
    assert event.id == hold.reserve.hold_id.hex()
    assert (event.route, event.request_id) == ("chat.completions", "req-1")
    assert (event.http_status, event.latency_ms, event.first_byte_ms) == (200, 1_234, 56)
    assert (event.input_tokens, event.output_tokens, event.reasoning_tokens) == (10, 5, 3)
    assert event.provider_request_id == "r" * 128
    assert event.status == ledger_pb2.EVENT_STATUS_CLIENT_GONE
    assert event.settled_by == ledger_pb2.SETTLED_BY_COUNTED
    assert event.held_nano_usd == HELD
