"""A Node program that drives one SDK: what it is asked, and what it answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

FOLDER = Path(__file__).resolve().parent
NODE = "node_modules/node-linux-*/bin/node"
"""Installed with the SDKs, for this machine alone. Older npm makes no link to it in `.bin`."""
STOP_WAIT_S = 10.0


@dataclass(frozen=True)
class Failure:
    """What the SDK threw."""

    kinds: list[str]
    """Of the SDK's own classes of errors those that it belongs to."""
    status: int | None
    message: str
    body: Any
    headers: dict[str, str]
    stack: str


@dataclass(frozen=True)
class Answer:
    """How one case ended."""

    said: str
    """The text that the SDK handed on, also before an error."""
    sent: list[list[str]]
    """The names of the headers of each request that the SDK made, its retries among them."""
    result: Any
    error: Failure | None

    @property
    def requests(self) -> int:
        """How many requests the SDK made."""
        return len(self.sent)

    def worked(self) -> Any:
        """The result; an error fails the test with the stack in Node."""
        assert self.error is None, self.error.stack
        return self.result

    def failed(self, kind: str, status: int | None = None) -> Failure:
        """The error, which must be of the class that the SDK's users catch."""
        assert self.error is not None, f"no error, but {self.said!r} and {self.result!r}"
        assert kind in self.error.kinds, self.error.stack
        assert self.error.status == status, self.error.stack
        return self.error


class Node:
    """One running program. Its cases run one after the other."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process = process
        self._errors = errors

    def ask(self, case: str, **call: Any) -> Answer:
        """Run one case."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"case": case, **call}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise AssertionError(self.printed()) from None
        line = self._process.stdout.readline()
        assert line, self.printed()
        answer = json.loads(line)
        error = answer.get("error")
        return Answer(
            said=answer["said"],
            sent=answer["sent"],
            result=answer.get("result"),
            error=None if error is None else Failure(**error),
        )

    def printed(self) -> str:
        """Everything that the program wrote for people: warnings, and why it ended."""
        self._errors.seek(0)
        return self._errors.read()


@contextmanager
def running_node(directory: Path, program: str, *arguments: str) -> Iterator[Node]:
    """Start a program of this folder; at the end it leaves by itself, and never warned."""
    found = list(FOLDER.glob(NODE))
    assert found, "the Node SDKs are not installed; `make test` does it"
    with (directory / "stderr").open("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [str(found[0]), str(FOLDER / program), *arguments],
            # Nothing of the machine's: no key, no proxy, no option of Node's.
            env={"HOME": str(directory)},
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        running = Node(process, errors)
        try:
            yield running
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(STOP_WAIT_S) == 0, running.printed()
            assert running.printed() == ""
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
