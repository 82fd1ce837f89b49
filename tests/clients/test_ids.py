from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from mintgate import ids

MS = 1_000_000


def test_is_a_uuid_of_version_7() -> None:
    """The 16 bytes are a UUID of version 7 and of the RFC's variant."""
    made = uuid.UUID(bytes=ids.new_id())

    assert made.version == 7
    assert made.variant == uuid.RFC_4122


def test_begins_with_the_clock() -> None:
    """The first 48 bits are the wall clock in milliseconds."""
    source = ids.IdSource(clock_ns=lambda: 0x0123_4567_89AB * MS + 999_999)

    assert bytes.fromhex("0123456789ab") == source.new_id()[:6]


@pytest.mark.parametrize("bits", [lambda _n: 0, lambda n: (1 << n) - 1])
def test_increases_within_one_millisecond(bits: object) -> None:
    """Identifiers of one millisecond increase, whatever the randomness says."""
    source = ids.IdSource(clock_ns=lambda: 5 * MS, random_bits=bits)  # type: ignore[arg-type]

    made = [source.new_id() for _ in range(1_000)]

    assert made == sorted(set(made))


def test_increases_when_the_clock_is_set_back() -> None:
    """A clock that goes back does not take the identifiers with it."""
    clock = iter([9 * MS, 3 * MS, 10 * MS])
    source = ids.IdSource(clock_ns=lambda: next(clock))

    made = [source.new_id() for _ in range(3)]

    assert made == sorted(made)


def test_carries_into_the_time_when_a_millisecond_is_full() -> None:
    """A tail that overflows borrows the next millisecond rather than wrap around."""
    source = ids.IdSource(clock_ns=lambda: 5 * MS, random_bits=lambda n: (1 << n) - 1)
    source._time_ms, source._tail = 5, (1 << 74) - 1

    made = source.new_id()

    assert int.from_bytes(made[:6], "big") == 6
    assert uuid.UUID(bytes=made).version == 7


def test_is_unique_over_threads() -> None:
    """Threads that share the source never get the same identifier."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ids.new_id(), range(4_000)))

    assert len(set(made)) == 4_000


def test_text_is_the_usual_form() -> None:
    """The text form is that of a UUID."""
    assert (
        ids.id_text(bytes.fromhex("00000000000070008000000000000001"))
        == "00000000-0000-7000-8000-000000000001"
    )
