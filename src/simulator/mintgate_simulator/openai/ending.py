"""The last chunks of a stream: the finish reasons, and the usage where the vendor states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .quirks import UsagePlace


@dataclass(frozen=True, slots=True)
class Ending:
    """What a stream tells at its end; ``usage`` is ``None`` where it is left out."""

    place: UsagePlace
    usage: dict[str, Any] | None
    asked: bool = False
    """The request asked for a chunk of usage."""
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def placeholder(self) -> dict[str, Any]:
        """What every chunk says of the usage, when one of its own will follow."""
        return {"usage": None} if self._is_alone else {}

    def finish(self, base: dict[str, Any], choice: dict[str, Any], *, last: bool) -> dict[str, Any]:
        """The chunk that says why a choice ended; the last one has the usage on it."""
        chunk = {**base, "choices": [choice], **self.placeholder}
        if not last or self.usage is None:
            return chunk
        if self.place is UsagePlace.CHOICE:
            chunk["choices"] = [{**choice, "usage": self.usage}]
        if self.place is UsagePlace.FINISH:
            chunk = {**chunk, "usage": self.usage, **self.extras}
        return chunk

    def alone(self, base: dict[str, Any]) -> dict[str, Any] | None:
        """The chunk of usage without a choice, where there is one."""
        if not self._is_alone:
            return None
        return {**base, "choices": [], "usage": self.usage, **self.extras}

    @property
    def _is_alone(self) -> bool:
        return self.asked and self.usage is not None and self.place is not UsagePlace.FINISH
