"""Children of a few lines, to see them started, watched, restarted and stopped."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mintgate.cli._child import Bounds, ChildSpec
from mintgate.cli._supervisor import Supervisor

CHILD = """
import os, signal, sys

name, behaviour, diary = sys.argv[1:]

def note(what):
    with open(diary, "a") as file:
        file.write(f"{what} {name}\\n")

def stop(number, frame):
    note("stop")
    sys.exit(0)

with open(diary) as file:
    starts = file.read().count(f"start {name}\\n")
signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "stubborn" else stop)
note("start")
if behaviour == "broken":
    sys.exit(4)
if behaviour == "talkative":
    print("x" * 300_000, flush=True)
    print("MINTGATE_MASTER_KEY qlk_live_m", flush=True)
if behaviour != "mute":
    print("READY here", flush=True)
print("serving", flush=True)
if behaviour == "dies" or (behaviour == "dies once" and not starts):
    os.kill(os.getpid(), signal.SIGKILL)
while True:
    signal.pause()
"""

QUICK = Bounds(
    ready_s=10.0,
    stop_s=10.0,
    restarts_max=2,
    restart_pause_first_s=0.01,
    restart_pause_max_s=0.02,
)


@dataclass
class Stage:
    """A supervisor over children of given behaviours, and what was seen of it."""

    directory: Path
    logged: list[str] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    serving: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def supervisor(self, *stages: dict[str, str], bounds: Bounds = QUICK) -> Supervisor:
        diary = self.directory / "diary"
        diary.write_text("", encoding="utf-8")
        specs = [
            [
                ChildSpec(
                    name=name,
                    argv=(sys.executable, "-c", CHILD, name, behaviour, str(diary)),
                    environment=dict(os.environ),
                    ready_mark="READY ",
                )
                for name, behaviour in stage.items()
            ]
            for stage in stages
        ]
        return Supervisor(
            specs,
            run_dir=self.directory,
            on_line=self.on_line,
            log=self.logged.append,
            bounds=bounds,
        )

    def on_line(self, child: str, line: str) -> None:
        self.lines.append((child, line))
        if line == "serving":
            self.serving.put_nowait(child)

    async def until_served(self, count: int) -> list[str]:
        """Wait until this many starts got as far as serving; their names."""
        return [await self.serving.get() for _ in range(count)]

    def diary(self) -> list[str]:
        return (self.directory / "diary").read_text(encoding="utf-8").splitlines()

    def pids(self) -> dict[str, int]:
        return {
            path.stem: int(path.read_text(encoding="ascii"))
            for path in self.directory.glob("*.pid")
        }


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_starts_in_order_and_stops_in_the_opposite(stage: Stage) -> None:
    """Each stage starts after the one before it is ready; facades stop first, core next."""
    supervisor = stage.supervisor(
        {"simulator": "serves"}, {"core": "serves"}, {"facade-0": "serves", "facade-1": "serves"}
    )
    async with asyncio.TaskGroup() as group:
        run = group.create_task(supervisor.run(stage.ready.set))
        await stage.ready.wait()
        await stage.until_served(4)
        pids = stage.pids()
        supervisor.request_stop()

    assert await run is None
    assert {"simulator", "core", "facade-0", "facade-1"} == set(pids)
    diary = stage.diary()
    assert diary[:2] == ["start simulator", "start core"]
    assert {"start facade-0", "start facade-1"} == set(diary[2:4])
    assert {"stop facade-0", "stop facade-1"} == set(diary[4:6])
    assert diary[6:] == ["stop core", "stop simulator"]
    assert not stage.pids()
    assert not any(alive(pid) for pid in pids.values())


async def test_a_child_that_dies_is_started_again(stage: Stage) -> None:
    """A death after readiness is logged with its cause, and healed."""
    supervisor = stage.supervisor({"core": "dies once"})
    async with asyncio.TaskGroup() as group:
        run = group.create_task(supervisor.run(stage.ready.set))
        await stage.until_served(2)
        supervisor.request_stop()

    assert await run is None
    assert stage.diary() == ["start core", "start core", "stop core"]
    (line,) = stage.logged
    assert line.startswith("core ended by SIGKILL; starting it again in 0.0")


async def test_a_child_that_keeps_dying_is_given_up(stage: Stage) -> None:
    """Restarts are bounded; then everything else is stopped and the reason is told."""
    supervisor = stage.supervisor({"core": "serves"}, {"facade-0": "dies"})

    failure = await supervisor.run(stage.ready.set)

    assert failure == "facade-0 ended by SIGKILL 3 times within 60 s"
    assert [line for line in stage.diary() if "facade" in line] == ["start facade-0"] * 3
    assert stage.diary()[-1] == "stop core"


async def test_a_child_that_never_gets_ready_is_not_tried_again(stage: Stage) -> None:
    """What fails at its first start would fail again: it ends with the status, at once."""
    supervisor = stage.supervisor({"core": "broken"}, {"facade-0": "serves"})

    failure = await supervisor.run(stage.ready.set)

    assert failure is not None
    assert failure.startswith("core ended with status 4 before it was ready")
    assert stage.diary() == ["start core"]
    assert not stage.ready.is_set()


async def test_readiness_is_waited_for_within_a_bound(stage: Stage) -> None:
    """A child that says nothing is stopped, and named."""
    bounds = Bounds(ready_s=0.3, stop_s=10.0)
    supervisor = stage.supervisor({"core": "mute"}, bounds=bounds)

    assert await supervisor.run(stage.ready.set) == "not ready within 0.3 s: core"
    assert not stage.pids()


async def test_a_child_that_does_not_stop_is_killed(stage: Stage) -> None:
    """SIGTERM that is not heeded is followed by SIGKILL within its bound."""
    supervisor = stage.supervisor({"core": "stubborn"}, bounds=Bounds(stop_s=0.2))
    async with asyncio.TaskGroup() as group:
        run = group.create_task(supervisor.run(stage.ready.set))
        await stage.until_served(1)
        (pid,) = stage.pids().values()
        supervisor.request_stop()

    assert await run is None
    assert stage.logged == ["core did not stop in 0.2 s; killing it"]
    assert not alive(pid)


async def test_asked_twice_it_stops_at_once(stage: Stage) -> None:
    """A second signal does not wait for a child that takes its time."""
    supervisor = stage.supervisor({"core": "stubborn"}, bounds=Bounds(stop_s=60.0))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        run = group.create_task(supervisor.run(stage.ready.set))
        await stage.until_served(1)
        supervisor.request_stop()
        supervisor.request_stop()

    assert await run is None


async def test_a_stop_while_starting_is_a_stop(stage: Stage) -> None:
    """A signal before everything is ready stops what runs and is no failure."""
    supervisor = stage.supervisor({"core": "mute"}, {"facade-0": "serves"})
    async with asyncio.TaskGroup() as group:
        run = group.create_task(supervisor.run(stage.ready.set))
        await stage.until_served(1)
        supervisor.request_stop()

    assert await run is None
    assert not stage.ready.is_set()
    assert stage.diary() == ["start core", "stop core"]


async def test_lines_are_handed_on_and_bounded(stage: Stage) -> None:
    """Every line but the ready mark is handed on; one beyond the bound is dropped."""
    supervisor = stage.supervisor({"core": "talkative"})
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run(stage.ready.set))
        await stage.until_served(1)
        supervisor.request_stop()

    assert ("core", "MINTGATE_MASTER_KEY qlk_live_m") in stage.lines
    assert not any("READY" in line for _, line in stage.lines)
    assert all(len(line) < 300_000 for _, line in stage.lines)


async def test_a_program_that_is_not_there_is_told(stage: Stage) -> None:
    """A child that cannot be started at all is named with the reason."""
    spec = ChildSpec(name="core", argv=("/no/such/program",), environment={}, ready_mark="R")
    supervisor = Supervisor(
        [[spec]], run_dir=stage.directory, on_line=stage.on_line, log=stage.logged.append
    )

    failure = await supervisor.run(stage.ready.set)

    assert failure == "core cannot be started: No such file or directory"


async def test_a_program_that_ran_is_tried_again(stage: Stage) -> None:
    """A restart that the machine refuses counts as a death: once it is possible, it happens."""
    program, away = stage.directory / "program", stage.directory / "away"
    program.write_text(f'#!/bin/sh\necho "READY $0"\necho serving\nmv "$0" {away}\n')
    program.chmod(0o700)

    def on_log(line: str) -> None:
        stage.logged.append(line)
        if "cannot be started" in line:
            away.rename(program)

    spec = ChildSpec(name="core", argv=(str(program),), environment={}, ready_mark="READY ")
    supervisor = Supervisor(
        [[spec]], run_dir=stage.directory, on_line=stage.on_line, log=on_log, bounds=QUICK
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run(stage.ready.set))
        await stage.until_served(2)
        supervisor.request_stop()

    assert [line.split(";")[0] for line in stage.logged[:2]] == [
        "core ended with status 0",
        "core cannot be started: No such file or directory",
    ]
