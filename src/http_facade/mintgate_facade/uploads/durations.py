"""Measures audio with a few decoder processes, each for one file at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import IO

PROBES_MAX = 2
"""Decoders of one worker. Decoding is over a thousand times faster than listening."""
PROBE_WAIT_S = 60.0
"""For one file: four hours of MP3 take about 12 s of one core."""
ANSWER_BYTES_MAX = 1_024

_MODULE = "mintgate_facade.uploads.probe"


@dataclass(frozen=True, slots=True)
class Length:
    """What a decoder found."""

    duration_ms: int
    unread_ms: int
    """What the bytes that it did not read could be at most, at the lowest bit rate."""
    channels: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """What `probe` says."""

    duration_ms: int = 0
    unread_ms: int = 0
    channels: int = 1
    error: str = ""


class UnreadableAudioError(Exception):
    """It cannot be measured; the text ends the sentence "The file ..."."""


class Durations:
    """The decoders of one worker. They start when they are first needed."""

    def __init__(self, duration_max_ms: int, wait_s: float = PROBE_WAIT_S) -> None:
        self._duration_max_ms = duration_max_ms
        self._wait_s = wait_s
        self._free: list[_Probe] = []
        self._places = asyncio.Semaphore(PROBES_MAX)

    async def of(self, file: IO[bytes]) -> Length:
        """Decode a file from its beginning. Raises `UnreadableAudioError`."""
        async with self._places:
            probe = self._free.pop() if self._free else _Probe()
            try:
                answer = await asyncio.to_thread(
                    probe.ask, file.fileno(), self._duration_max_ms, self._wait_s
                )
            except (OSError, ValueError, TypeError):
                # It crashed, ran out of memory or took too long: never twice in one process.
                probe.close()
                raise UnreadableAudioError("cannot be decoded here") from None
            except BaseException:
                # The request was given up; the thread ends when its decoder does.
                probe.close()
                raise
            self._free.append(probe)
        if answer.error:
            raise UnreadableAudioError(answer.error)
        return Length(answer.duration_ms, answer.unread_ms, answer.channels)

    def close(self) -> None:
        """End the decoders."""
        for probe in self._free:
            probe.close()
        self._free.clear()


class _Probe:
    """One decoder process and the socket to it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def ask(self, descriptor: int, duration_max_ms: int, wait_s: float) -> _Answer:
        """Hand a file over and wait.

        Raises `OSError`, `ValueError` or `TypeError` when there is no answer that can be read.
        """
        connection = self._socket or self._start()
        connection.settimeout(wait_s)
        socket.send_fds(connection, [b"%d" % duration_max_ms], [descriptor])
        answer = json.loads(connection.recv(ANSWER_BYTES_MAX))
        return _Answer(**answer)

    def close(self) -> None:
        """Kill it; it holds nothing that could be lost."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no argument from outside
                [sys.executable, "-m", _MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Nothing of the gateway's environment: it holds the operator's keys.
                env={"PYTHONPATH": ":".join(filter(None, sys.path))},
            )
        self._socket = ours
        return ours
