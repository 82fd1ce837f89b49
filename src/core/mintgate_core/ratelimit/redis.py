"""The limiter that several cores share. Redis is never asked about money.

One pipeline is in flight; the next one is whatever queued meanwhile, in order, so that an end is
always counted before an ask that came after it. Every command is one script, and each can be
sent twice without counting twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from mintgate_core.ledger.errors import RateLimited
from mintgate_core.ratelimit import scripts
from mintgate_core.ratelimit.base import FIELDS, Ask, End, Note, Taken, Verdict, refused

REDIS_WAIT_S = 0.05
"""A check is 0.3 ms when all is well. What takes longer than this counts as away: a rate limit
is not worth a user's time."""

REDIS_WAIT_EACH_S = 0.0002
"""More for each request of a batch: three times what one takes on a busy machine."""

CONNECT_WAIT_S = 1.0
"""For the first connection and for probes, which no request waits for."""

COMMANDS_PER_PIPELINE_MAX = 128
"""8 ms of work: small enough that those who wait for the next one hardly notice."""

NOTES_QUEUED_MAX = 65_536
"""Beyond it the oldest are dropped, and their leases expire by themselves."""

_AWAY = (RedisError, OSError, TimeoutError, RuntimeError)
"""What asking raises when nobody answers. The last is uvloop's word for a connection that was
closed between its making and the first write, which the client hands on as it is."""

_SHA1 = {
    script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (scripts.ADMIT, scripts.RENEW, scripts.END)
}


def wait_s(requests: int) -> float:
    """How long so many requests may take together."""
    return REDIS_WAIT_S + REDIS_WAIT_EACH_S * requests


class LimiterAwayError(Exception):
    """Redis did not answer, or not with what was asked for."""


@dataclass(slots=True)
class _Waiting:
    ask: Ask
    verdict: asyncio.Future[Verdict]


class RedisLimiter:
    """See `base.Limiter`; `admit` raises `LimiterAwayError`."""

    degraded = False
    unshared_count = 0
    """It shares or raises."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._notes: deque[Note] = deque(maxlen=NOTES_QUEUED_MAX)
        self._queue: deque[_Waiting | Note] = deque()
        self._wake = asyncio.Event()
        self.paused = False
        """While Redis is away nothing is sent; what should be noted waits."""

    @classmethod
    def of_url(cls, url: str) -> RedisLimiter:
        """A limiter on a server; connects when it is first used."""
        client = Redis.from_url(
            url,
            socket_timeout=CONNECT_WAIT_S,
            socket_connect_timeout=CONNECT_WAIT_S,
            # The circuit breaker is what tries again.
            retry=Retry(NoBackoff(), 0),
        )
        return cls(client)

    async def admit(self, asks: Sequence[Ask]) -> list[Verdict]:
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(ask, loop.create_future()) for ask in asks]
        # What was noted so far goes first.
        self._queue.extend(self._notes)
        self._notes.clear()
        self._queue.extend(waiting)
        self._wake.set()
        try:
            # All of them are awaited, so that none fails unheard.
            verdicts = await asyncio.gather(*(w.verdict for w in waiting), return_exceptions=True)
        finally:
            for one in waiting:
                one.verdict.cancel()
        return [_or_raise(verdict) for verdict in verdicts]

    def note(self, notes: Sequence[Note]) -> None:
        self._notes.extend(notes)
        if not self.paused:
            self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue or (self._notes and not self.paused):
                sent = await self._send_some()
                check_cancelled()
                if not sent and not self._queue:
                    # Notes alone are no reason to try again at once.
                    break

    async def resume(self) -> None:
        """Ask whether the server is there again, and go on. Raises `LimiterAwayError`."""
        try:
            async with asyncio.timeout(CONNECT_WAIT_S):
                await self._client.ping()
        except _AWAY as error:
            raise LimiterAwayError(_said(error)) from error
        self.paused = False
        self._wake.set()

    def pause(self) -> None:
        """Send nothing until `resume`."""
        self.paused = True

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _send_some(self) -> bool:
        """Send one pipeline, if it can be; what was noted is kept for the next if it cannot."""
        if not self._queue:
            self._queue.extend(self._notes)
            self._notes.clear()
        count = min(len(self._queue), COMMANDS_PER_PIPELINE_MAX)
        taken = [self._queue.popleft() for _ in range(count)]
        batch = [c for c in taken if not isinstance(c, _Waiting) or not c.verdict.done()]
        try:
            async with asyncio.timeout(wait_s(len(batch))):
                replies = await self._execute([_command(command) for command in batch])
        except _AWAY as error:
            away = LimiterAwayError(_said(error))
            self._keep([command for command in batch if not isinstance(command, _Waiting)])
            for command in batch:
                if isinstance(command, _Waiting) and not command.verdict.done():
                    command.verdict.set_exception(away)
            return False
        for command, reply in zip(batch, replies, strict=True):
            if isinstance(command, _Waiting) and not command.verdict.done():
                command.verdict.set_result(_verdict(command.ask, reply))
        return True

    def _keep(self, notes: Sequence[Note]) -> None:
        """Put notes back in front of those that came since."""
        later = [note for note in self._queue if not isinstance(note, _Waiting)]
        waiting = [one for one in self._queue if isinstance(one, _Waiting)]
        self._queue = deque(waiting)
        room = NOTES_QUEUED_MAX - len(self._notes)
        self._notes.extendleft(reversed([*notes, *later][-room:] if room else []))

    async def _execute(self, commands: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        if not commands:
            return []
        replies = await self._round_trip(commands)
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            for script in _SHA1:
                await self._client.script_load(script)
            again = await self._round_trip([commands[i] for i in unknown])
            for place, reply in zip(unknown, again, strict=True):
                replies[place] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _round_trip(self, commands: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for script, arguments in commands:
                pipeline.evalsha(_SHA1[script], 2, *arguments)
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies


def check_cancelled() -> None:
    """End a task that was cancelled while it asked Redis. Raises `CancelledError`.

    The client turns a cancellation that meets the making of a connection into an
    error of its own, and who takes that for Redis being away would never stop.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _command(command: _Waiting | Note) -> tuple[str, tuple[Any, ...]]:
    """A script with its keys and arguments."""
    if isinstance(command, _Waiting):
        ask, limits = command.ask, command.ask.limits
        return scripts.ADMIT, (
            *_keys(ask),
            ask.lease_ms,
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.open_requests,
            ask.cost_tokens,
        )
    if isinstance(command, End):
        used = 0 if command.undone else command.used_tokens
        return scripts.END, (*_keys(command), "" if used is None else used, int(command.undone))
    return scripts.RENEW, (*_keys(command), command.lease_ms)


def _keys(command: Ask | Note) -> tuple[str, str, str]:
    name = f"mintgate:{{{command.key_id}}}"
    return f"{name}:limits", f"{name}:open", command.hold_id.hex()


def _verdict(ask: Ask, reply: Sequence[int]) -> Verdict:
    outcome, field, wait_ms = reply
    if outcome:
        return Taken(outcome)
    return refused(ask.limits, FIELDS[field - 1], int(wait_ms))


def _or_raise(verdict: Verdict | BaseException) -> Verdict:
    """A verdict. A refusal is one too, though it is an exception."""
    if isinstance(verdict, Taken | RateLimited):
        return verdict
    raise verdict


def _said(error: Exception) -> str:
    """The kind of failure. Its text may quote the URL, so it is not told."""
    return type(error).__name__
