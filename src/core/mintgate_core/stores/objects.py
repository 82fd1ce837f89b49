"""Whose an object at a provider is: files, batches, voices of all keys lie in one account there.

Guarantees
    An object belongs to one key from the moment it is recorded until it is forgotten or its
    time is over; a record for another key is a conflict and changes nothing. Two records of
    one object that race have one winner. A key never owns more objects than it may.

    Whoever changes a key's objects locks the row that counts them first, in order of the keys.

    What a charge or a job brings with it is recorded in its transaction, by `apply`, and is not
    counted: it needs no lock then, was paid for, and has an end. A name that is taken stays as it
    is, which the primary key alone decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from mintgate_core.ledger.books import Books
from mintgate_core.ledger.errors import IdReused, LedgerError, TooManyObjects

Name = tuple[str, str, str]
"""Provider, kind and the provider's own id: unique among all keys."""

LATEST = (2**62, "")
EARLIEST = (-1, "")
"""Where lists begin: after everything, or before it."""


@dataclass(frozen=True, slots=True)
class OwnedObject:
    """An object at a provider and the key that created it."""

    provider: str
    kind: str
    object_id: str
    account_id: str
    key_id: str
    note: str = ""
    """What helps to use it later; opaque here."""
    created_at_ms: int = 0
    expires_at_ms: int = 0
    """When it is nobody's any more; 0: never."""
    counted: bool = True
    """Toward what its key may own."""

    @property
    def name(self) -> Name:
        """What it is found by."""
        return self.provider, self.kind, self.object_id

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in a list."""
        return self.created_at_ms, self.object_id


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to record; its times are made by the store's clock."""

    provider: str
    kind: str
    object_id: str
    account_id: str
    key_id: str
    note: str = ""
    ttl_ms: int = 0
    """0: for ever."""

    def at(self, now_ms: int) -> OwnedObject:
        """The object as it is when it is recorded now."""
        return OwnedObject(
            self.provider,
            self.kind,
            self.object_id,
            self.account_id,
            self.key_id,
            self.note,
            now_ms,
            now_ms + self.ttl_ms if self.ttl_ms else 0,
        )


@dataclass(slots=True)
class Records:
    """What becomes of a batch of records, decided on what was found."""

    new: dict[Name, OwnedObject] = field(default_factory=dict)
    changed: dict[Name, OwnedObject] = field(default_factory=dict)
    """The key's already: note and end of life are set anew."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many objects each key then has."""
    answers: list[LedgerError | None] = field(default_factory=list)

    def lose(self, names: set[Name], objects: Sequence[NewObject]) -> None:
        """Give up new objects that somebody else recorded meanwhile."""
        for name in names:
            self.counts[self.new.pop(name).key_id] -= 1
        for place, one in enumerate(objects):
            if (one.provider, one.kind, one.object_id) in names:
                self.answers[place] = _another_keys()


def decide_records(
    objects: Sequence[NewObject],
    found: Mapping[Name, OwnedObject],
    counts: Mapping[str, int],
    most: int,
    now_ms: int,
) -> Records:
    """Answer each record in order; the earlier of two for one object wins."""
    records = Records(counts={one.key_id: counts.get(one.key_id, 0) for one in objects})
    for wanted in objects:
        one = wanted.at(now_ms)
        before = records.new.get(one.name) or records.changed.get(one.name) or found.get(one.name)
        if before is not None and before.key_id != one.key_id:
            records.answers.append(_another_keys())
            continue
        if before is None:
            if records.counts[one.key_id] >= most:
                records.answers.append(
                    TooManyObjects(f"this key owns {most} objects, as many as it may: delete some")
                )
                continue
            records.counts[one.key_id] += 1
            records.new[one.name] = one
        else:
            kept = records.new if one.name in records.new else records.changed
            kept[one.name] = replace(before, note=one.note, expires_at_ms=one.expires_at_ms)
        records.answers.append(None)
    return records


def recorded(books: Books) -> list[OwnedObject]:
    """What a batch of operations records, each name once, in the order in which to write it.

    The order is one everywhere, so that two who add the same objects wait for each other and
    never in a circle.
    """
    found: dict[Name, OwnedObject] = {}
    for subject, record in books.new_records:
        one = OwnedObject(
            provider=subject.provider,
            kind=record.kind,
            object_id=record.object_id,
            account_id=subject.account_id,
            key_id=subject.key_id,
            note=record.note,
            created_at_ms=books.now_ms,
            expires_at_ms=books.now_ms + record.ttl_ms,
            counted=False,
        )
        found.setdefault(one.name, one)
    return [found[name] for name in sorted(found)]


def _another_keys() -> IdReused:
    return IdReused("this object is another key's", field="object_id")


class ObjectBook(Protocol):
    """The part of a store that keeps objects; see the module for what it guarantees."""

    async def record(self, objects: Sequence[NewObject], most: int) -> list[LedgerError | None]:
        """Record objects, each alone; None: it is the key's. `most` is what a key may own."""

    async def owned(
        self, key_id: str, provider: str, names: Sequence[tuple[str, str]]
    ) -> list[OwnedObject]:
        """Those of the (kind, object id) that are the key's now, in any order."""

    async def of_key(
        self,
        key_id: str,
        provider: str,
        kind: str,
        *,
        after: tuple[int, str],
        oldest_first: bool,
        limit: int,
    ) -> list[OwnedObject]:
        """The objects of a key after a place, by creation."""

    async def count(self, key_id: str) -> int:
        """How many counted objects a key has, with those whose time is over but which are there."""

    async def forget(self, key_id: str, provider: str, names: Sequence[tuple[str, str]]) -> int:
        """Let go of objects of a key and return how many there were."""

    async def sweep(self, limit: int) -> int:
        """Let go of objects whose time is over, the oldest first, and return how many."""
