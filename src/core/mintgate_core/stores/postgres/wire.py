"""One connection as libpq's pipeline: statements go out together, their answers come back.

The driver's own pipeline looks at the socket around every statement, some forty times a
batch, and that was most of what a small batch cost. Here a batch is written by one system
call and read as it arrives. The driver still connects, authenticates and adapts values:
this drives `psycopg.pq`, its documented door to libpq.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import Buffer, PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from mintgate_core.stores.postgres.arrays import Array

Row = tuple[Any, ...]
Statement = tuple[str, Sequence[object]]

PREPARED_MAX = 256
"""Statements that a connection keeps prepared; the one used longest ago makes room."""

LOOK_INTERVAL_S = 0.1
"""Between two looks at an exchange that nothing is heard of."""

NUMBERED_MAX = 1_024
"""texts of statements that are remembered with their marks numbered."""

_REFUSED = frozenset({ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE})
_GONE = "the connection to the database is lost"


class _Command(NamedTuple):
    """A statement in the server's terms."""

    text: bytes
    parameters: Sequence[Buffer | None] | None
    types: tuple[int, ...]
    formats: Sequence[Format] | None


class Wire:
    """The exchanges of one connection, one at a time."""

    def __init__(self, raw: AsyncConnection[Row], *, prepares: bool) -> None:
        self._pgconn = raw.pgconn
        self._adapt = Transformer(raw)
        self._loop = asyncio.get_running_loop()
        self._descriptor = raw.pgconn.socket
        self._prepared = _Prepared() if prepares else None
        self._answered: asyncio.Future[None] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._lost: psycopg.Error | None = None
        self._begin()
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._descriptor, self._readable)

    async def exchange(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run statements in this order, in one round trip; returns the rows of each.

        Raises the `psycopg.Error` of the first that failed; what follows it did not run.
        The connection can be used again after that, but not after it was lost, nor after
        the caller was cancelled.
        """
        if self._lost is not None:
            raise psycopg.OperationalError(_GONE)
        # All of it first: a value that cannot be sent must not leave half a batch behind.
        commands = [self._command(*statement) for statement in statements]
        self._begin()
        try:
            for command in commands:
                self._send(command)
            self._pgconn.pipeline_sync()
            self._answered = self._loop.create_future()
            if self._pgconn.flush():
                self._loop.add_writer(self._descriptor, self._writable)
            self._looking = self._loop.call_later(LOOK_INTERVAL_S, self._look)
            await self._answered
        except psycopg.OperationalError as error:
            self._lose(error)
            raise
        finally:
            self._answered = None
            if self._looking is not None:
                self._looking.cancel()
        if self._refusal is not None:
            if self._prepared is not None:
                self._prepared.forget(self._preparing.values())
            raise self._refusal
        return self._tables

    def close(self) -> None:
        """Listen no more. The connection itself is the caller's to close."""
        self._lose(psycopg.OperationalError(_GONE))

    def _begin(self) -> None:
        self._tables: list[list[Row]] = []
        self._refusal: psycopg.Error | None = None
        self._asked = self._place = 0
        """How many commands were sent, and which of them is being answered."""
        self._answering = False
        self._preparing: dict[int, bytes] = {}
        """Which commands only prepare, and the statement that each does."""

    def _command(self, statement: str, values: Sequence[object]) -> _Command:
        if not values:
            return _Command(statement.encode(), None, (), None)
        arrays = [value for value in values if type(value) is Array]
        if len(arrays) == len(values):
            types, parameters = zip(*arrays, strict=True)
            return _Command(_numbered(statement), parameters, types, (Format.BINARY,) * len(arrays))
        return _Command(_numbered(statement), *self._adapted(values))

    def _adapted(
        self, values: Sequence[object]
    ) -> tuple[list[Buffer | None], tuple[int, ...], list[Format]]:
        """Parameters as the driver writes them down, and arrays as they are."""
        plain = [value for value in values if type(value) is not Array]
        dumped = iter(self._adapt.dump_sequence(plain, [PyFormat.AUTO] * len(plain)))
        types, formats = iter(self._adapt.types or ()), iter(self._adapt.formats or ())
        adapted = [
            (value.data, value.oid, Format.BINARY)
            if type(value) is Array
            else (next(dumped), next(types), next(formats))
            for value in values
        ]
        parameters, oids, ways = zip(*adapted, strict=True)
        return list(parameters), oids, list(ways)

    def _send(self, command: _Command) -> None:
        text, parameters, types, formats = command
        if self._prepared is None:
            self._pgconn.send_query_params(
                text, parameters, types, formats, result_format=Format.BINARY
            )
        else:
            name, is_new, oldest = self._prepared.name(text, types)
            if oldest is not None:
                self._preparing[self._asked] = oldest
                self._pgconn.send_query_params(b"deallocate " + oldest, None)
                self._asked += 1
            if is_new:
                self._preparing[self._asked] = name
                self._pgconn.send_prepare(name, text, types)
                self._asked += 1
            self._pgconn.send_query_prepared(name, parameters, formats, result_format=Format.BINARY)
        self._asked += 1

    def _writable(self) -> None:
        """Write more of a batch that the socket did not take at once."""
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._descriptor)
        except psycopg.OperationalError as error:
            self._lose(error)

    def _readable(self) -> None:
        """Take what has arrived, and wake the caller at the end of its exchange."""
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    # Stands behind the answer of each command, and where there is none.
                    if not self._answering:
                        return
                    self._answering = False
                    self._place += 1
                elif result.status == ExecStatus.PIPELINE_SYNC:
                    if self._answered is not None and not self._answered.done():
                        self._answered.set_result(None)
                    return
                else:
                    self._answering = True
                    self._take(result)
        except psycopg.Error as error:
            self._lose(error)

    def _look(self) -> None:
        """Read although nobody said that something has come, and again for as long as it takes.

        uvloop says nothing: of a connection that was reset it stops to tell whether it can be
        read, and an exchange would wait for ever.
        """
        self._readable()
        self._looking = self._loop.call_later(LOOK_INTERVAL_S, self._look)

    def _take(self, result: PGresult) -> None:
        if result.status in _REFUSED:
            self._refusal = self._refusal or error_from_result(result)
        elif result.status == ExecStatus.PIPELINE_ABORTED:
            return
        elif self._place in self._preparing:
            del self._preparing[self._place]
        else:
            self._adapt.set_pgresult(result, format=Format.BINARY)
            self._tables.append(self._adapt.load_rows(0, result.ntuples, tuple))

    def _lose(self, error: psycopg.Error) -> None:
        """The connection has ended: fail the exchange."""
        if self._lost is not None:
            return
        # A server that ends a connection says why before it does.
        self._lost = self._refusal or error
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(self._lost)


class _Prepared:
    """The names of the statements that the server has prepared for a connection."""

    def __init__(self) -> None:
        self._names: OrderedDict[tuple[bytes, tuple[int, ...]], bytes] = OrderedDict()
        self._numbers = count()

    def name(self, text: bytes, types: tuple[int, ...]) -> tuple[bytes, bool, bytes | None]:
        """The name of a statement, whether it is new, and whose it takes the place of."""
        key = text, types
        if (name := self._names.get(key)) is not None:
            self._names.move_to_end(key)
            return name, False, None
        oldest = None
        if len(self._names) >= PREPARED_MAX:
            _, oldest = self._names.popitem(last=False)
        name = self._names[key] = b"s%d" % next(self._numbers)
        return name, True, oldest

    def forget(self, names: Iterable[bytes]) -> None:
        """Prepare these again when they are needed: their exchange was refused."""
        gone = frozenset(names)
        for key in [key for key, name in self._names.items() if name in gone]:
            del self._names[key]


@lru_cache(NUMBERED_MAX)
def _numbered(statement: str) -> bytes:
    """A statement with `$1`, `$2` in place of its `%s` marks."""
    first, *others = statement.split("%s")
    return (first + "".join(f"${n}{text}" for n, text in enumerate(others, 1))).encode()
