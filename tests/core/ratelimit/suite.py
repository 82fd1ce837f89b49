"""The guarantees of `ratelimit.base`, as tests that every limiter is run through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mintgate_core.ledger.errors import RateLimited
from mintgate_core.ledger.types import RateLimits
from mintgate_core.ratelimit.base import Ask, End, Limiter, Renewal, Taken, Verdict
from mintgate_core.stores.conformance.builders import new_id

LEASE_MS = 100_000


@dataclass
class Bench:
    """A limiter, and a way to let time pass for it."""

    limiter: Limiter
    elapse: Callable[[int], Awaitable[None]]

    async def admit(self, ask: Ask) -> Verdict:
        (verdict,) = await self.limiter.admit([ask])
        return verdict


def ask(key_id: str, limits: RateLimits, tokens: int = 0, lease_ms: int = LEASE_MS) -> Ask:
    """A request of its own."""
    return Ask(key_id, new_id(), limits, tokens, lease_ms)


def field_of(verdict: Verdict) -> str:
    """The limit that refuses, or nothing."""
    return verdict.field if isinstance(verdict, RateLimited) else ""


class LimiterConformance:
    """Needs the fixtures `bench` and `key_id`."""

    async def test_requests_a_minute(self, bench: Bench, key_id: str) -> None:
        """A minute's requests may come at once; then one more every part of a minute."""
        limits = RateLimits(requests_per_minute=3)
        for _ in range(3):
            assert await bench.admit(ask(key_id, limits)) is Taken.NEW
        refusal = await bench.admit(ask(key_id, limits))
        assert isinstance(refusal, RateLimited)
        assert refusal.field == "requests_per_minute"
        assert 19_000 < refusal.retry_after_ms <= 20_000
        await bench.elapse(18_000)
        assert field_of(await bench.admit(ask(key_id, limits)))
        await bench.elapse(2_000)
        assert await bench.admit(ask(key_id, limits)) is Taken.NEW
        assert field_of(await bench.admit(ask(key_id, limits)))

    async def test_tokens_a_minute(self, bench: Bench, key_id: str) -> None:
        """Tokens count by the worst case, and a refusal says how long until they are there."""
        limits = RateLimits(tokens_per_minute=60)
        assert await bench.admit(ask(key_id, limits, 50)) is Taken.NEW
        refusal = await bench.admit(ask(key_id, limits, 30))
        assert isinstance(refusal, RateLimited)
        assert refusal.field == "tokens_per_minute"
        assert 19_000 < refusal.retry_after_ms <= 20_000
        assert await bench.admit(ask(key_id, limits, 10)) is Taken.NEW

    async def test_unused_tokens_come_back(self, bench: Bench, key_id: str) -> None:
        """A settle gives back what was not used, once, and never more than a minute's amount."""
        limits = RateLimits(tokens_per_minute=60)
        first = ask(key_id, limits, 60)
        assert await bench.admit(first) is Taken.NEW
        end = End(key_id, first.hold_id, 10)
        bench.limiter.note([end, end])
        assert field_of(await bench.admit(ask(key_id, limits, 58)))
        assert await bench.admit(ask(key_id, limits, 50)) is Taken.NEW
        await bench.elapse(60_000)
        second = ask(key_id, limits, 60)
        assert await bench.admit(second) is Taken.NEW
        await bench.elapse(60_000)
        bench.limiter.note([End(key_id, second.hold_id, 0)])
        assert await bench.admit(ask(key_id, limits, 60)) is Taken.NEW
        assert field_of(await bench.admit(ask(key_id, limits, 5)))

    async def test_used_beyond_the_worst_case_is_a_debt(self, bench: Bench, key_id: str) -> None:
        """More than was taken is taken on top, but never more than one minute's amount."""
        limits = RateLimits(tokens_per_minute=60)
        first = ask(key_id, limits, 10)
        assert await bench.admit(first) is Taken.NEW
        bench.limiter.note([End(key_id, first.hold_id, 1_000_000)])
        refusal = await bench.admit(ask(key_id, limits, 1))
        assert isinstance(refusal, RateLimited)
        assert refusal.retry_after_ms == 60_000
        await bench.elapse(59_000)
        assert field_of(await bench.admit(ask(key_id, limits, 1)))
        await bench.elapse(2_000)
        assert await bench.admit(ask(key_id, limits, 1)) is Taken.NEW

    async def test_unknown_usage_gives_nothing_back(self, bench: Bench, key_id: str) -> None:
        """A request that was charged whole, or that expired, keeps the tokens that it took."""
        limits = RateLimits(tokens_per_minute=60)
        first = ask(key_id, limits, 60)
        await bench.admit(first)
        bench.limiter.note([End(key_id, first.hold_id)])
        assert field_of(await bench.admit(ask(key_id, limits, 5)))

    async def test_a_request_of_more_than_a_minute_waits_for_all_of_it(
        self, bench: Bench, key_id: str
    ) -> None:
        """Larger than the limit: it starts when nothing else was taken, and takes everything."""
        limits = RateLimits(tokens_per_minute=60)
        small = ask(key_id, limits, 30)
        await bench.admit(small)
        assert field_of(await bench.admit(ask(key_id, limits, 10**9)))
        await bench.elapse(30_000)
        assert await bench.admit(ask(key_id, limits, 10**9)) is Taken.NEW
        assert field_of(await bench.admit(ask(key_id, limits, 5)))

    async def test_the_largest_limits_count_exactly(self, bench: Bench, key_id: str) -> None:
        """At the largest limits of the contract one request more is still told apart."""
        limits = RateLimits(tokens_per_minute=2**40, requests_per_minute=10_000_000)
        assert await bench.admit(ask(key_id, limits, 2**40)) is Taken.NEW
        refusal = await bench.admit(ask(key_id, limits, 2**40))
        assert isinstance(refusal, RateLimited)
        assert 59_000 <= refusal.retry_after_ms <= 60_000

    async def test_open_requests(self, bench: Bench, key_id: str) -> None:
        """So many at once; an end makes room, whatever it says of tokens."""
        limits = RateLimits(open_requests=2)
        first, second = ask(key_id, limits), ask(key_id, limits)
        verdicts = await bench.limiter.admit([first, second, ask(key_id, limits)])
        assert [field_of(verdict) for verdict in verdicts] == ["", "", "open_requests"]
        bench.limiter.note([End(key_id, first.hold_id, 5)])
        assert await bench.admit(ask(key_id, limits)) is Taken.NEW
        assert field_of(await bench.admit(ask(key_id, limits))) == "open_requests"

    async def test_leases_end_by_themselves(self, bench: Bench, key_id: str) -> None:
        """A lease that nobody renews ends in time; one that is renewed goes on."""
        limits = RateLimits(open_requests=2)
        left, kept = ask(key_id, limits, lease_ms=10_000), ask(key_id, limits, lease_ms=10_000)
        await bench.limiter.admit([left, kept])
        await bench.elapse(6_000)
        bench.limiter.note([Renewal(key_id, kept.hold_id, 10_000)])
        assert field_of(await bench.admit(ask(key_id, limits)))
        await bench.elapse(6_000)
        assert await bench.admit(ask(key_id, limits)) is Taken.NEW
        assert field_of(await bench.admit(ask(key_id, limits)))

    async def test_a_repeat_is_counted_once(self, bench: Bench, key_id: str) -> None:
        """The same hold takes no second request, token or lease, even in one batch."""
        limits = RateLimits(requests_per_minute=2, tokens_per_minute=20, open_requests=2)
        first = ask(key_id, limits, 10)
        verdicts = await bench.limiter.admit([first, first, first])
        assert verdicts == [Taken.NEW, Taken.KNOWN, Taken.KNOWN]
        assert await bench.admit(ask(key_id, limits, 10)) is Taken.NEW
        assert await bench.admit(first) is Taken.KNOWN

    async def test_what_never_started_takes_nothing(self, bench: Bench, key_id: str) -> None:
        """An undone request gives its request, tokens and lease back."""
        limits = RateLimits(requests_per_minute=1, tokens_per_minute=10, open_requests=1)
        for _ in range(3):
            tried = ask(key_id, limits, 10)
            assert await bench.admit(tried) is Taken.NEW
            bench.limiter.note([End(key_id, tried.hold_id, undone=True)])
        assert await bench.admit(ask(key_id, limits, 10)) is Taken.NEW

    async def test_a_refusal_takes_nothing(self, bench: Bench, key_id: str) -> None:
        """When one limit refuses, the others were not drawn on."""
        limits = RateLimits(requests_per_minute=2, open_requests=1)
        first = ask(key_id, limits)
        assert await bench.admit(first) is Taken.NEW
        for _ in range(5):
            assert field_of(await bench.admit(ask(key_id, limits))) == "open_requests"
        bench.limiter.note([End(key_id, first.hold_id, 0)])
        assert await bench.admit(ask(key_id, limits)) is Taken.NEW

    async def test_keys_do_not_meet(self, bench: Bench, key_id: str) -> None:
        """What one key used is no other key's matter."""
        limits = RateLimits(requests_per_minute=1)
        asks = [ask(key_id, limits), ask(key_id + "b", limits), ask(key_id, limits)]
        verdicts = await bench.limiter.admit(asks)
        assert [field_of(verdict) for verdict in verdicts] == ["", "", "requests_per_minute"]

    async def test_changed_limits_count_at_once(self, bench: Bench, key_id: str) -> None:
        """A lower limit leaves no more than itself; a higher one refills at its own pace."""
        high, low = RateLimits(requests_per_minute=60), RateLimits(requests_per_minute=1)
        assert await bench.admit(ask(key_id, high)) is Taken.NEW
        assert await bench.admit(ask(key_id, low)) is Taken.NEW
        refusal = await bench.admit(ask(key_id, low))
        assert isinstance(refusal, RateLimited)
        assert refusal.retry_after_ms > 50_000
        raised = await bench.admit(ask(key_id, high))
        assert isinstance(raised, RateLimited)
        assert raised.retry_after_ms <= 1_000
