"""How a dialect tells what became of a provider's job: which request to make, how to read it.

Pure as the rest of a dialect: the poller makes the request and settles the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from mintgate_facade.dialects.base import BrokenAnswer, Reading

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job


@dataclass(frozen=True, slots=True)
class Poll:
    """A request to the provider that asks for a job."""

    path: str
    """Percent-encoded, below the address of the job's surface."""
    method: str = "GET"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Pending:
    """The provider works on."""

    so_far: Reading = field(default_factory=Reading)
    """What an expiry should charge; empty when nothing is known."""


@dataclass(frozen=True, slots=True)
class Done:
    """It has ended, and this is what it cost."""

    reading: Reading
    cut: bool = False
    """The provider broke it off, or somebody cancelled it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It has ended, and the provider bills nothing for it."""


class Collector(Protocol):
    """Reads a longer answer as it arrives."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `BrokenAnswer` when they cannot be of this dialect."""

    def outcome(self) -> Outcome:
        """What the whole answer says. Raises as above."""


@dataclass(frozen=True, slots=True)
class Further:
    """It has ended, and another answer tells what it cost."""

    poll: Poll
    into: Collector


Outcome = Pending | Done | Failed


def object_of(answer: bytes) -> dict[str, Any]:
    """The JSON object that a provider answers with. Raises `BrokenAnswer` for anything else."""
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise BrokenAnswer("an answer about a job that is no JSON object")
    return document


class JobReader(Protocol):
    """Reads one kind of job. Instances hold no state."""

    def poll(self, job: Job) -> Poll:
        """Ask for the job."""

    def read(self, job: Job, body: bytes) -> Outcome | Further:
        """Read the provider's successful (2xx) answer.

        Raises `BrokenAnswer` when the bytes cannot be of this dialect: it is asked again.
        """

    def cancel(self, object_id: str) -> Poll | None:
        """Stop the job of an object that nobody will ever ask for; None where nothing can."""
