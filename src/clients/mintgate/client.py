"""The two clients. Their methods are bound from `_calls`, so they are the same.

with Client(credential="qlk_live_...") as client:
    minted = client.keys.mint("ada", cap_usd="5.00", idempotency_key=event_id)
    print(minted.key.id, minted.secret)

async with AsyncClient(credential="qlk_live_...") as client:
    async for key in client.keys.list():
        ...
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Self

from . import _async, _sync
from ._calls import accounts, jobs, keys, ledger, meter, objects
from .channel import TARGET_DEFAULT, mask, open_aio_channel, open_channel
from .errors import InvalidArgument
from .retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    import grpc
    import grpc.aio

    from .channel import Tls

TIMEOUT_S_DEFAULT: Final = 10.0


class Keys(_sync.Group):
    """Keys of one account, by the credential."""

    mint = _sync.unary(keys.mint)
    get = _sync.unary(keys.get)
    list = _sync.paged(keys.list_all)
    list_page = _sync.unary(keys.list_page)
    update = _sync.unary(keys.update)
    rotate = _sync.unary(keys.rotate)
    revoke = _sync.unary(keys.revoke)
    authenticate = _sync.unary(keys.authenticate)


class Accounts(_sync.Group):
    """Accounts: a wallet, its master keys and all that they minted. Operator only."""

    create = _sync.unary(accounts.create)
    list = _sync.paged(accounts.list_all)
    list_page = _sync.unary(accounts.list_page)


class Ledger(_sync.Group):
    """Holds, charges and grants; every operation can be repeated by its id."""

    reserve = _sync.unary(ledger.reserve)
    extend = _sync.unary(ledger.extend)
    progress = _sync.unary(ledger.progress)
    settle = _sync.unary(ledger.settle)
    release = _sync.unary(ledger.release)
    grant = _sync.unary(ledger.grant)
    balance = _sync.unary(ledger.balance)
    journal = _sync.paged(ledger.journal)
    journal_page = _sync.unary(ledger.journal_page)
    holds = _sync.unary(ledger.holds)
    watch_revocations = _sync.stream(ledger.watch_revocations)


class Meter(_sync.Group):
    """What was used and what it costs."""

    quote = _sync.unary(meter.quote)
    usage = _sync.unary(meter.usage)
    events = _sync.paged(meter.events)
    events_page = _sync.unary(meter.events_page)
    tail = _sync.stream(meter.tail)
    prices = _sync.unary(meter.prices)
    price_list = _sync.unary(meter.price_list)
    put_price = _sync.unary(meter.put_price)
    put_prices = _sync.unary(meter.put_prices)
    price_history = _sync.unary(meter.price_history)


class Objects(_sync.Group):
    """Whose the objects at providers are. For facades."""

    record = _sync.unary(objects.record)
    find = _sync.unary(objects.find)
    list = _sync.paged(objects.list_all)
    list_page = _sync.unary(objects.list_page)
    forget = _sync.unary(objects.forget)


class Jobs(_sync.Group):
    """Work that a provider goes on with after its answer. For facades."""

    start = _sync.unary(jobs.start)
    claim = _sync.unary(jobs.claim)
    renew = _sync.unary(jobs.renew)


class Client:
    """A client for threads. Make one and keep it: it holds one connection.

    `target` is a core's host:port, or several with commas between them: a call
    that one could not answer is tried at the next.
    `credential` is a master key, a standard key (for its own usage) or the
    operator's token; each call can name another. `timeout_s` is how long a
    call may take with all its retries. `channel` replaces the one that the
    client would open at `target`; it is then the caller's to close.
    """

    def __init__(
        self,
        target: str = TARGET_DEFAULT,
        credential: str | None = None,
        *,
        tls: Tls | None = None,
        timeout_s: float = TIMEOUT_S_DEFAULT,
        retry: RetryPolicy | None = None,
        channel: grpc.Channel | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._label = _label(target, credential, timeout_s)
        targets = target.split(",") if channel is None else []
        self._owned = opened = [open_channel(each, tls) for each in targets]
        caller = _sync.Caller(
            opened if channel is None else [channel],
            credential=credential,
            timeout_s=timeout_s,
            retry=retry or RetryPolicy(),
            clock_s=clock_s,
            sleep=sleep,
        )
        self.keys = Keys(caller)
        self.accounts = Accounts(caller)
        self.ledger = Ledger(caller)
        self.meter = Meter(caller)
        self.objects = Objects(caller)
        self.jobs = Jobs(caller)

    def close(self) -> None:
        """Close the connection; calls in flight fail."""
        for channel in self._owned:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._label})"


class AsyncKeys(_async.Group):
    """Keys of one account, by the credential."""

    mint = _async.unary(keys.mint)
    get = _async.unary(keys.get)
    list = _async.paged(keys.list_all)
    list_page = _async.unary(keys.list_page)
    update = _async.unary(keys.update)
    rotate = _async.unary(keys.rotate)
    revoke = _async.unary(keys.revoke)
    authenticate = _async.unary(keys.authenticate)


class AsyncAccounts(_async.Group):
    """Accounts: a wallet, its master keys and all that they minted. Operator only."""

    create = _async.unary(accounts.create)
    list = _async.paged(accounts.list_all)
    list_page = _async.unary(accounts.list_page)


class AsyncLedger(_async.Group):
    """Holds, charges and grants; every operation can be repeated by its id."""

    reserve = _async.unary(ledger.reserve)
    extend = _async.unary(ledger.extend)
    progress = _async.unary(ledger.progress)
    settle = _async.unary(ledger.settle)
    release = _async.unary(ledger.release)
    grant = _async.unary(ledger.grant)
    balance = _async.unary(ledger.balance)
    journal = _async.paged(ledger.journal)
    journal_page = _async.unary(ledger.journal_page)
    holds = _async.unary(ledger.holds)
    watch_revocations = _async.stream(ledger.watch_revocations)


class AsyncMeter(_async.Group):
    """What was used and what it costs."""

    quote = _async.unary(meter.quote)
    usage = _async.unary(meter.usage)
    events = _async.paged(meter.events)
    events_page = _async.unary(meter.events_page)
    tail = _async.stream(meter.tail)
    prices = _async.unary(meter.prices)
    price_list = _async.unary(meter.price_list)
    put_price = _async.unary(meter.put_price)
    put_prices = _async.unary(meter.put_prices)
    price_history = _async.unary(meter.price_history)


class AsyncObjects(_async.Group):
    """Whose the objects at providers are. For facades."""

    record = _async.unary(objects.record)
    find = _async.unary(objects.find)
    list = _async.paged(objects.list_all)
    list_page = _async.unary(objects.list_page)
    forget = _async.unary(objects.forget)


class AsyncJobs(_async.Group):
    """Work that a provider goes on with after its answer. For facades."""

    start = _async.unary(jobs.start)
    claim = _async.unary(jobs.claim)
    renew = _async.unary(jobs.renew)


class AsyncClient:
    """A client for asyncio; make it inside of the event loop that uses it.

    Parameters as those of `Client`.
    """

    def __init__(
        self,
        target: str = TARGET_DEFAULT,
        credential: str | None = None,
        *,
        tls: Tls | None = None,
        timeout_s: float = TIMEOUT_S_DEFAULT,
        retry: RetryPolicy | None = None,
        channel: grpc.aio.Channel | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._label = _label(target, credential, timeout_s)
        targets = target.split(",") if channel is None else []
        self._owned = opened = [open_aio_channel(each, tls) for each in targets]
        caller = _async.Caller(
            opened if channel is None else [channel],
            credential=credential,
            timeout_s=timeout_s,
            retry=retry or RetryPolicy(),
            clock_s=clock_s,
            sleep=sleep,
        )
        self.keys = AsyncKeys(caller)
        self.accounts = AsyncAccounts(caller)
        self.ledger = AsyncLedger(caller)
        self.meter = AsyncMeter(caller)
        self.objects = AsyncObjects(caller)
        self.jobs = AsyncJobs(caller)

    async def close(self) -> None:
        """Close the connection; calls in flight fail."""
        for channel in self._owned:
            await channel.close(grace=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self._label})"


def _label(target: str, credential: str | None, timeout_s: float) -> str:
    """Check what both constructors take, and return it for a repr, without the secret."""
    if timeout_s <= 0:
        raise InvalidArgument("timeout_s must be above 0", field="timeout_s")
    return f"{target!r}, credential={mask(credential)!r}, timeout_s={timeout_s}"
