"""One child process: started, watched, restarted, stopped. Every wait has a bound."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LINE_BYTES_MAX: Final = 256 * 1024
OUTPUT_WAIT_S: Final = 1.0
"""How long the last lines of a child that has ended are waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long the supervisor waits, and how often it tries. Seconds."""

    ready_s: float = 60.0
    stop_s: float = 40.0
    """From SIGTERM to SIGKILL; longer than the time that a facade gives open streams."""
    restarts_max: int = 5
    """More deaths than this within the window, and the supervisor gives up."""
    restart_window_s: float = 60.0
    restart_pause_first_s: float = 0.2
    restart_pause_max_s: float = 5.0
    restart_stable_s: float = 3.0
    """A process that lived longer than this starts again without a grown pause."""


_DOUBLINGS_MAX: Final = 16
"""Far beyond any pause's bound; keeps the power small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run, and how it says that it is ready."""

    name: str
    """Also the name of its pid file."""
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready_mark: str
    """A line of its stdout that begins so means that it serves."""


class Child:
    """Keeps one process running until it is told to stop or dies too often.

    `on_line` takes the other lines of its stdout; `give_up` is called once, with
    a sentence, when it cannot be kept running.
    """

    def __init__(
        self,
        spec: ChildSpec,
        *,
        run_dir: Path,
        bounds: Bounds,
        on_line: Callable[[str, str], None],
        log: Callable[[str], None],
        give_up: Callable[[str], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec = spec
        self.ready = False
        self.settled = asyncio.Event()
        """Set when it is ready, or when there is nothing to wait for any more."""
        self._pid_file = run_dir / f"{spec.name}.pid"
        self._bounds = bounds
        self._on_line = on_line
        self._log = log
        self._give_up = give_up
        self._clock_s = clock_s
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._deaths_s: deque[float] = deque(maxlen=bounds.restarts_max + 1)
        self._started_s = 0.0
        self._short_lives = 0

    async def keep(self) -> None:
        """Run the process, again and again, until `stop` or until it is hopeless."""
        while not self._stopping.is_set():
            self._started_s = self._clock_s()
            try:
                ended = f"{self.spec.name} ended {_how(await self._run_once())}"
                hint = " before it was ready; its own lines above say why"
            except OSError as error:
                # Once it ran, this passes: the machine is out of memory or of processes.
                ended = f"{self.spec.name} cannot be started: {error.strerror}"
                hint = ""
            if self._stopping.is_set():
                return
            if not self.ready:
                self._give_up(ended + hint)
                return
            pause_s = self._pause_after_death()
            if pause_s is None:
                self._give_up(
                    f"{ended} {self._bounds.restarts_max + 1} times "
                    f"within {self._bounds.restart_window_s:g} s"
                )
                return
            self._log(f"{ended}; starting it again in {pause_s:.1f} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def stop(self) -> None:
        """Ask the process to end; after `Bounds.stop_s` make it."""
        self._stopping.set()
        self.settled.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self._bounds.stop_s)
        except TimeoutError:
            self._log(f"{self.spec.name} did not stop in {self._bounds.stop_s:g} s; killing it")
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End the process and its own children at once."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    async def _run_once(self) -> int:
        """Start the process, pass its lines on, and return its exit status."""
        process = await asyncio.create_subprocess_exec(
            *self.spec.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=dict(self.spec.environment),
            limit=LINE_BYTES_MAX,
            # Ctrl-C goes to the terminal's whole group; the order of stopping is ours.
            process_group=0,
        )
        self._process = process
        self._pid_file.write_text(f"{process.pid}\n", encoding="ascii")
        try:
            async with asyncio.TaskGroup() as group:
                output = group.create_task(self._read_lines(process))
                status = await process.wait()
                # A grandchild may hold the pipe open for ever.
                await asyncio.wait((output,), timeout=OUTPUT_WAIT_S)
                output.cancel()
        finally:
            self._pid_file.unlink(missing_ok=True)
            self.kill()
        return status

    async def _read_lines(self, process: asyncio.subprocess.Process) -> None:
        """Look for the ready mark; hand every other line on."""
        stdout = process.stdout
        while stdout is not None:
            try:
                raw = await stdout.readline()
            except ValueError:
                continue  # Longer than LINE_BYTES_MAX: dropped, as nobody reads such a line.
            if not raw:
                return
            line = raw.decode("utf-8", "replace").rstrip()
            if line.startswith(self.spec.ready_mark):
                self.ready = True
                self.settled.set()
            else:
                self._on_line(self.spec.name, line)

    def _pause_after_death(self) -> float | None:
        """Return how long to wait before the next start, seconds; None to give up."""
        now_s = self._clock_s()
        self._deaths_s.append(now_s)
        recent = sum(1 for at_s in self._deaths_s if now_s - at_s < self._bounds.restart_window_s)
        if recent > self._bounds.restarts_max:
            return None
        short = now_s - self._started_s < self._bounds.restart_stable_s
        self._short_lives = min(self._short_lives + 1, _DOUBLINGS_MAX) if short else 0
        doubled_s = self._bounds.restart_pause_first_s * float(1 << self._short_lives)
        return min(self._bounds.restart_pause_max_s, doubled_s)


def _how(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"with status {status}"
    with suppress(ValueError):
        return f"by {signal.Signals(-status).name}"
    return f"by signal {-status}"
