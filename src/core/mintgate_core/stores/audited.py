"""What one audit found, and the checkpoints that it may move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mintgate_core.stores.base import Check

CHECKPOINTS_A_WRITE = 1_000
"""Rows in one transaction: a few milliseconds of the embedded store's only writer."""

Checkpoint = tuple[int, int, int, int]
"""Line, sequence number of its wallet's journal, spent, ceiling."""


@dataclass(slots=True)
class Audited:
    """Filled check by check, in order of their numbers."""

    writable: bool = True
    """Whether the books that were read can be written as well."""
    checks: list[Check] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    _suspects: set[int] = field(default_factory=set)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not any(check.findings for check in self.checks)

    def add(self, title: str, count: int, found: Iterable[Sequence[Any]]) -> None:
        """Note a check that looked at `count` rows; `found` has a text and a wallet a row."""
        findings = []
        for text, wallet_id in found:
            findings.append(str(text))
            if wallet_id is not None:
                self._suspects.add(wallet_id)
        self.checks.append(Check(len(self.checks) + 1, title, count, tuple(findings)))

    def moved(self, found: Iterable[Sequence[Any]]) -> None:
        """Take the checkpoints that are due, each with its wallet last, after every check.

        Those of a wallet with a finding stay: the next audit looks at the same rows again.
        """
        self.checkpoints = [
            (line_id, seq, spent, ceiling)
            for line_id, seq, spent, ceiling, wallet_id in found
            if wallet_id not in self._suspects
        ]

    def writes(self) -> Iterator[list[Checkpoint]]:
        """The checkpoints in the order in which they must be written, a transaction each."""
        for start in range(0, len(self.checkpoints), CHECKPOINTS_A_WRITE):
            yield self.checkpoints[start : start + CHECKPOINTS_A_WRITE]
