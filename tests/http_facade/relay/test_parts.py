"""The relay's small parts: content codings, money's rounding, and holds that are kept alive."""

from __future__ import annotations

import gzip
import time
import zlib
from dataclasses import dataclass, field

import pytest
from mintgate.v1 import ledger_pb2, unit_pb2
from mintgate.v1.ledger_pb2 import Operation
from mintgate_facade.dialects.base import Reading
from mintgate_facade.relay.decode import PIECE_BYTES_MAX, Decoder
from mintgate_facade.relay.exchange import to_micros
from mintgate_facade.relay.headers import forwarded_headers, relayed_headers
from mintgate_facade.relay.holds import SEND_WAIT_S, ActiveHold, ActiveHolds

TEXT = b"some text that repeats, that repeats, that repeats. " * 40


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
    ],
    ids=["gzip", "two members", "zlib", "raw deflate"],
)
def test_any_split_decodes_alike(coding: str, packed: bytes, step: int) -> None:
    """However the bytes arrive, the same text comes out, and the end is recognised."""
    decoder = Decoder(coding)
    found = b"".join(
        piece
        for start in range(0, len(packed), step)
        for piece in decoder.feed(packed[start : start + step])
    )

    assert found == TEXT
    assert decoder.complete


@pytest.mark.parametrize("over_bytes", range(0, 300, 7))
def test_a_piece_that_is_full_leaves_nothing_behind(over_bytes: int) -> None:
    """A raw body, behind whose last byte no checksum comes, is decoded to its end all the same."""
    text = b"\0" * (PIECE_BYTES_MAX + over_bytes)
    decoder = Decoder("deflate")
    assert b"".join(decoder.feed(raw_deflate(text))) == text
    assert decoder.complete


def test_a_cut_coding_is_not_complete() -> None:
    """A compressed body without its end is recognised as cut."""
    decoder = Decoder("gzip")
    assert b"".join(decoder.feed(gzip.compress(TEXT)[:-4])) == TEXT
    assert not decoder.complete


def test_a_bomb_comes_in_bounded_pieces() -> None:
    """However well bytes were compressed, no piece is larger than its bound."""
    sizes = [len(piece) for piece in Decoder("gzip").feed(gzip.compress(b"\0" * (8 << 20)))]
    assert sum(sizes) == 8 << 20
    assert max(sizes) <= PIECE_BYTES_MAX


@pytest.mark.parametrize(
    ("nano", "micros"),
    [(0, 0), (499, 0), (500, 0), (501, 1), (1_499, 1), (1_500, 2), (2_500, 2), (2_501, 3)],
)
def test_micros_are_rounded_half_to_even(nano: int, micros: int) -> None:
    """A half goes to the even micro-dollar, so that sums of many show no drift."""
    assert micros == to_micros(nano)


def test_repeated_headers_are_joined() -> None:
    """A header that a client repeats goes on as one, in order."""
    headers = [(b"anthropic-beta", b"a"), (b"x-a", b"1"), (b"anthropic-beta", b"b")]
    assert forwarded_headers(headers, frozenset()) == {"anthropic-beta": "a, b", "x-a": "1"}


def test_joining_takes_time_by_the_header() -> None:
    """The shortest headers that a head has room for keep the worker no longer than others."""
    headers = [(b"a", b"")] * 320_000
    begun_s = time.process_time()
    assert len(forwarded_headers(headers, frozenset())["a"]) == 2 * (len(headers) - 1)
    # Joined one by one they take six seconds; at once it is a fifth of one.
    assert time.process_time() - begun_s < 3.0


def test_every_header_of_the_connection_is_dropped() -> None:
    """What `Connection` names stays here, in however many headers it does so."""
    headers = [(b"connection", b"x-a"), (b"connection", b"x-b, X-C"), (b"x-d", b"1")]
    hops = [(b"x-a", b"1"), (b"x-b", b"1"), (b"x-c", b"1")]
    assert forwarded_headers([*headers, *hops], frozenset()) == {"x-d": "1"}


def test_a_providers_own_headers_are_dropped() -> None:
    """What a provider's file lists is dropped in both directions, and hop-by-hop headers always."""
    assert forwarded_headers([(b"a", b"1"), (b"b", b"2")], {b"b"}) == {"a": "1"}
    answer = [(b"A", b"1"), (b"B", b"2"), (b"Connection", b"x-c"), (b"X-C", b"3")]
    assert relayed_headers(answer, {b"b"}) == [(b"a", b"1")]


@dataclass
class Posts:
    connected: bool = True
    operations: list[Operation] = field(default_factory=list)

    def submit(self, operation: Operation, wait_s: float) -> object:
        raise AssertionError("progress is posted, not waited for")

    def post(self, operation: Operation) -> None:
        self.operations.append(operation)


class HalfReadMeter:
    """A meter that has counted seven tokens."""

    final = False
    complete = False
    failed = False
    refused = 0

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def close(self) -> bytes:
        return b""

    def reading(self) -> Reading:
        return Reading(
            units={unit_pb2.UNIT_OUTPUT_TOKENS: 7, unit_pb2.UNIT_INPUT_TOKENS: 0},
            basis=ledger_pb2.SETTLED_BY_COUNTED,
            variants=("service_tier=flex",),
        )


async def test_progress_tells_what_was_used() -> None:
    """Each tick renews every running hold once, with the units read so far."""
    posts = Posts()
    holds = ActiveHolds(posts, ttl_ms=9_000)  # type: ignore[arg-type]  # submit is never called
    waiting = ActiveHold(b"w" * 16, b"token w", lambda: None)
    reading = ActiveHold(b"r" * 16, b"token r", lambda: None, meter=HalfReadMeter())
    gone = ActiveHold(b"g" * 16, b"token g", lambda: None)
    for hold in (waiting, reading, gone):
        holds.add(hold)
    holds.remove(gone)
    holds.tick(1.0)

    first, second = (operation.progress for operation in posts.operations)
    assert (
        first.hold_id,
        first.hold_token,
        list(first.units),
        first.ttl_ms,
    ) == (b"w" * 16, b"token w", [], 9_000)
    assert [(u.unit, u.count) for u in second.units] == [(unit_pb2.UNIT_OUTPUT_TOKENS, 7)]
    assert list(second.variants) == ["service_tier=flex"]


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    """A request whose client took not one byte for too long is interrupted."""
    interrupted: list[str] = []
    holds = ActiveHolds(Posts())  # type: ignore[arg-type]  # as above
    stalled = ActiveHold(b"s" * 16, b"", lambda: interrupted.append("stalled"))
    slow = ActiveHold(b"l" * 16, b"", lambda: interrupted.append("slow"))
    idle = ActiveHold(b"i" * 16, b"", lambda: interrupted.append("idle"))
    stalled.sending_since_s, slow.sending_since_s = 10.0, 20.0
    for hold in (stalled, slow, idle):
        holds.add(hold)
    holds.tick(10.0 + SEND_WAIT_S + 0.1)

    assert interrupted == ["stalled"]
