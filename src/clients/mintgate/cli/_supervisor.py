"""Several children in order: each stage starts when the one before it is ready.

They stop in the opposite order, so that nobody loses what it depends on: first
those who take requests, then the core, then the simulator.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._child import Bounds, Child, ChildSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Supervisor:
    """Runs stages of children until `request_stop`, or until one is hopeless.

    `log` takes lines for the operator, `on_line` a child's name and a line of
    its stdout, `on_stage` the names that are waited for.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[ChildSpec]],
        *,
        run_dir: Path,
        on_line: Callable[[str, str], None],
        log: Callable[[str], None],
        on_stage: Callable[[str], None] = lambda _names: None,
        bounds: Bounds | None = None,
    ) -> None:
        self._bounds = bounds or Bounds()
        self._log = log
        self._on_stage = on_stage
        self._stopping = asyncio.Event()
        self._failure: str | None = None
        self._stages = [
            [
                Child(
                    spec,
                    run_dir=run_dir,
                    bounds=self._bounds,
                    on_line=on_line,
                    log=log,
                    give_up=self._fail,
                )
                for spec in stage
            ]
            for stage in stages
        ]

    async def run(self, on_ready: Callable[[], None]) -> str | None:
        """Run everything; `on_ready` is called once when all of it serves.

        Returns None after a requested stop, else the sentence that says what failed.
        """
        async with asyncio.TaskGroup() as group:
            try:
                for stage in self._stages:
                    for child in stage:
                        group.create_task(child.keep())
                    await self._until_ready(stage)
                    if self._stopping.is_set():
                        break
                else:
                    on_ready()
                await self._stopping.wait()
            finally:
                await self._stop_all()
        return self._failure

    def request_stop(self) -> None:
        """Stop everything in order; asked a second time, at once."""
        if self._stopping.is_set():
            for stage in self._stages:
                for child in stage:
                    child.kill()
            return
        self._stop()

    def _fail(self, sentence: str) -> None:
        """Stop because of a child; the first reason is the one that is told."""
        if self._failure is None and not self._stopping.is_set():
            self._failure = sentence
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        for stage in self._stages:
            for child in stage:
                child.settled.set()

    async def _until_ready(self, stage: Sequence[Child]) -> None:
        """Wait until each child is ready, or until there is no point in it."""
        names = ", ".join(child.spec.name for child in stage)
        self._on_stage(names)
        try:
            async with asyncio.timeout(self._bounds.ready_s):
                for child in stage:
                    await child.settled.wait()
        except TimeoutError:
            late = ", ".join(child.spec.name for child in stage if not child.ready)
            self._fail(f"not ready within {self._bounds.ready_s:g} s: {late}")

    async def _stop_all(self) -> None:
        for stage in reversed(self._stages):
            async with asyncio.TaskGroup() as group:
                for child in stage:
                    group.create_task(child.stop())
