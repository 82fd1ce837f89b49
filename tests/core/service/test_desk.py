"""A price that was set through one core is in force at every other core on the store."""

from __future__ import annotations

import asyncio

import pytest
from mintgate_core.ledger.errors import Unavailable, Unpriced
from mintgate_core.ledger.types import Subject
from mintgate_core.pricing import BoundSpec, RateCard, Unit
from mintgate_core.service.cards import card_from
from mintgate_core.service.desk import Desk
from mintgate_core.stores.base import StoredPrice
from mintgate_core.stores.memory import MemoryStore

from tests.core.service.harness import MODEL, PROVIDER, START_MS, TurnedClock, price_of

WAIT_S = 10.0


class Rationed(MemoryStore):
    """A store that can be away."""

    away = False
    history = 0
    rows_read = 0

    @property
    def epoch(self) -> int:
        return self.history

    async def overrides(self, after_position: int = 0) -> list[StoredPrice]:
        if self.away:
            raise Unavailable("the store is away")
        found = await super().overrides(after_position)
        self.rows_read += len(found)
        return found


class Rounds:
    """A sleep that ends when a test says that the interval has passed."""

    def __init__(self) -> None:
        self._due = asyncio.Semaphore(0)
        self._asleep = asyncio.Semaphore(0)

    async def sleep(self, _seconds: float) -> None:
        self._asleep.release()
        await self._due.acquire()

    async def one(self) -> None:
        """Let one round pass, to its end."""
        self._due.release()
        async with asyncio.timeout(WAIT_S):
            await self._asleep.acquire()


@pytest.fixture
def store() -> Rationed:
    return Rationed(TurnedClock(START_MS))


@pytest.fixture
async def desks(store: Rationed) -> tuple[Desk, Desk]:
    clock = TurnedClock(START_MS)
    return await Desk.open(store, clock), await Desk.open(store, clock)


def card(input_pico_usd: int = 1_000_000) -> RateCard:
    return card_from(price_of(input_pico_usd=input_pico_usd))


async def test_a_price_reaches_the_other_core(desks: tuple[Desk, Desk]) -> None:
    """After a refresh both cores quote at the same card."""
    here, there = desks
    with pytest.raises(Unpriced):
        there.find("acc_1", PROVIDER, MODEL)
    await here.put("", card())
    await there.refresh()
    assert there.find("acc_1", PROVIDER, MODEL) == here.find("acc_1", PROVIDER, MODEL)


async def test_a_refresh_repeats_nothing(desks: tuple[Desk, Desk]) -> None:
    """What a core set itself, or has taken over, is one card in its history, however often."""
    here, there = desks
    await here.put("", card())
    for desk in (here, there):
        for _ in range(3):
            await desk.refresh()
        assert len(desk.history("acc_1", PROVIDER, MODEL)) == 1


async def test_a_price_is_read_once(store: Rationed, desks: tuple[Desk, Desk]) -> None:
    """Rounds in which nothing changed read no rows, however many prices there are."""
    here, there = desks
    for _ in range(5):
        await here.put("", card())
    await there.refresh()
    read = store.rows_read
    for _ in range(3):
        await there.refresh()
    assert store.rows_read == read
    later = await Desk.open(store, TurnedClock(START_MS))
    read = store.rows_read
    await later.refresh()
    assert store.rows_read == read


async def test_of_two_prices_for_one_moment_the_later_wins(desks: tuple[Desk, Desk]) -> None:
    """Whichever core set it, and in whichever order they hear of each other."""
    here, there = desks
    await here.put("", card(1_000_000))
    await there.put("", card(2_000_000))
    for desk in (there, here):
        await desk.refresh()
    found = [desk.find("acc_1", PROVIDER, MODEL).version for desk in desks]
    assert found == [(await there.put("", card(2_000_000))).version] * 2


async def test_another_history_is_read_from_its_start(
    store: Rationed, desks: tuple[Desk, Desk]
) -> None:
    """After a failover that lost the newest prices, one that took a lost one's place is heard."""
    here, there = desks
    await here.put("", card(1_000_000))
    await there.refresh()
    store.history = 1
    store._overrides.clear()
    await here.put("", card(2_000_000))
    await there.refresh()
    now = there.find("acc_1", PROVIDER, MODEL).version
    assert now == here.find("acc_1", PROVIDER, MODEL).version


BOUND = BoundSpec(input_tokens=10, output_tokens=10)


async def hold_of(desk: Desk) -> Subject:
    """Whose hold a request makes at the price in force."""
    _, version = await desk.price("acc_1", PROVIDER, MODEL, BOUND)
    return Subject("key_1", "acc_1", PROVIDER, MODEL, "chat", "", version)


async def cost(desk: Desk, subject: Subject) -> int:
    """What 10 input tokens cost for a hold."""
    measured, version = await desk.measure(subject, "", {Unit.INPUT_TOKENS: 10}, ())
    assert version == subject.price_version
    return measured.amount_nano_usd


def fail_over(store: Rationed) -> None:
    """A standby takes over that knows of no card."""
    store.history += 1
    store._cards.clear()


async def test_a_lost_card_is_kept_again_for_every_core(
    store: Rationed, desks: tuple[Desk, Desk]
) -> None:
    """After a failover the core that used a card keeps it again, and a core that starts finds it.

    Also when the price is another one by then, and no book has the card any more.
    """
    here, _ = desks
    await here.put("", card(1_000_000))
    subject = await hold_of(here)
    await here.put("", card(2_000_000))
    fail_over(store)
    await here.refresh()
    assert await store.card(subject.price_version) is not None
    later = await Desk.open(store, TurnedClock(START_MS))
    assert await cost(later, subject) == 10_000


async def test_a_reserve_after_a_failover_keeps_its_card(
    store: Rationed, desks: tuple[Desk, Desk]
) -> None:
    """A card that was kept under another history is kept again before a hold names it."""
    here, _ = desks
    await here.put("", card())
    await hold_of(here)
    fail_over(store)
    assert await store.card((await hold_of(here)).price_version) is not None


async def test_a_settle_after_a_failover_keeps_its_card(
    store: Rationed, desks: tuple[Desk, Desk]
) -> None:
    """The card that a charge names is in the store again with the charge, at the same price."""
    here, _ = desks
    await here.put("", card())
    subject = await hold_of(here)
    fail_over(store)
    assert await cost(here, subject) == 10_000
    assert await store.card(subject.price_version) is not None


@pytest.mark.parametrize("hour", range(0, 24, 6))
async def test_a_lost_card_is_found_in_the_book(store: Rationed, hour: int) -> None:
    """A core that never used a card of the packaged prices makes it again, of any hour."""
    clock = TurnedClock(START_MS + hour * 3_600_000)
    first = await Desk.open(store, clock)
    _, version = await first.price("acc_1", "deepseek", "deepseek-chat", BOUND)
    subject = Subject("key_1", "acc_1", "deepseek", "deepseek-chat", "chat", "", version)
    wanted = await cost(first, subject)
    fail_over(store)
    other = await Desk.open(store, TurnedClock(START_MS))
    assert await cost(other, subject) == wanted > 0
    assert await store.card(version) is not None


async def test_a_card_that_nobody_has_is_no_price(
    store: Rationed, desks: tuple[Desk, Desk]
) -> None:
    """Nothing is guessed: the hold has no price, and stands under the model that was asked for."""
    here, there = desks
    await here.put("", card(1_000_000))
    subject = await hold_of(here)
    await here.put("", card(2_000_000))
    await there.refresh()
    fail_over(store)
    with pytest.raises(Unpriced, match="lost"):
        await cost(there, subject)
    assert await there.priced_model(subject) == MODEL


async def test_an_outage_only_delays(store: Rationed, desks: tuple[Desk, Desk]) -> None:
    """A round without the store is followed by one with it."""
    here, there = desks
    rounds = Rounds()
    running = asyncio.ensure_future(there.run(rounds.sleep))
    await here.put("", card())
    store.away = True
    await rounds.one()
    await rounds.one()
    store.away = False
    await rounds.one()
    await rounds.one()
    assert there.find("acc_1", PROVIDER, MODEL).version
    running.cancel()
