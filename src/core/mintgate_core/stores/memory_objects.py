"""Whose the objects at providers are, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mintgate_core.clock import Clock
from mintgate_core.ledger.errors import LedgerError
from mintgate_core.stores.objects import Name, NewObject, OwnedObject, decide_records


class MemoryObjects:
    """See `stores.objects.ObjectBook` for the methods."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.by_name: dict[Name, OwnedObject] = {}
        self.counts: Counter[str] = Counter()

    async def record(self, objects: Sequence[NewObject], most: int) -> list[LedgerError | None]:
        records = decide_records(objects, self.by_name, self.counts, most, self._clock())
        self.by_name.update(records.new)
        self.by_name.update(records.changed)
        self.counts.update({k: n - self.counts[k] for k, n in records.counts.items()})
        return records.answers

    def add(self, objects: Iterable[OwnedObject]) -> None:
        """Take what came with a charge or a job, as far as nobody has it."""
        for one in objects:
            self.by_name.setdefault(one.name, one)

    async def owned(
        self, key_id: str, provider: str, names: Sequence[tuple[str, str]]
    ) -> list[OwnedObject]:
        found = (self.by_name.get((provider, *name)) for name in set(names))
        return [one for one in found if one and one.key_id == key_id and self._lasts(one)]

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
        found = [
            one
            for one in self.by_name.values()
            if (one.key_id, one.provider, one.kind) == (key_id, provider, kind)
            and self._lasts(one)
            and (one.place > after if oldest_first else one.place < after)
        ]
        return sorted(found, key=lambda one: one.place, reverse=not oldest_first)[:limit]

    async def count(self, key_id: str) -> int:
        return self.counts[key_id]

    async def forget(self, key_id: str, provider: str, names: Sequence[tuple[str, str]]) -> int:
        found = [self.by_name.get((provider, *name)) for name in set(names)]
        return self._remove(one for one in found if one and one.key_id == key_id)

    async def sweep(self, limit: int) -> int:
        over = [one for one in self.by_name.values() if not self._lasts(one)]
        return self._remove(sorted(over, key=lambda one: one.expires_at_ms)[:limit])

    def _lasts(self, one: OwnedObject) -> bool:
        return not one.expires_at_ms or one.expires_at_ms > self._clock()

    def _remove(self, objects: Iterable[OwnedObject]) -> int:
        removed = list(objects)
        for one in removed:
            del self.by_name[one.name]
            self.counts[one.key_id] -= one.counted
        return len(removed)
