"""Starting what is measured: a process in a directory of its own that is gone at the end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.harness import eventually
from tests.servers.process import find_program

START_WAIT_S = 90.0
"""LiteLLM imports for ten seconds on a quiet machine."""
STOP_WAIT_S = 20.0

PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
"""What nginx wants to write to, each of them below the server's own directory."""


@contextmanager
def server(
    command: Iterable[str | Path],
    url: str,
    directory: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a server until the end of the block; gives its process id once it answers."""
    parts = [str(part) for part in command]
    log = directory / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of this package
            parts,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
        )

    def answers() -> bool:
        assert process.poll() is None, log.read_text()[-4_000:]
        try:
            httpx.get(url, timeout=2)
        except httpx.HTTPError:
            return False
        return True

    try:
        eventually(answers, START_WAIT_S, f"an answer of {parts[0]}")
        yield process.pid
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and the workers that it started, which share its session."""
    process.terminate()
    try:
        process.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def nginx(configuration: Callable[[str], str], port: int) -> Iterator[int]:
    """Run an nginx of our own; the configuration is given the paths that it may write to."""
    with scratch() as directory:
        paths = "\n  ".join(f"{name}_temp_path {directory}/{name};" for name in PATHS)
        file = directory / "nginx.conf"
        file.write_text(f"pid {directory}/nginx.pid;\ndaemon off;\n{configuration(paths)}")
        command: list[str | Path] = [find_program("nginx"), "-c", file, "-p", directory]
        command += ["-e", directory / "error.log"]
        # Its workers would run as nobody, who may not enter our directory.
        if os.geteuid() == 0:
            command += ["-g", "user root;"]
        with server(command, f"http://127.0.0.1:{port}/", directory) as pid:
            yield pid


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for one server."""
    directory = Path(tempfile.mkdtemp(prefix="mintgate-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def version_of(program: str, option: str, folders: Sequence[str] = ()) -> str:
    """The first thing that looks like a version in what a program says of itself."""
    done = subprocess.run(  # noqa: S603 - commands of this package
        [find_program(program, *folders), option],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found.group() if found else "unknown"
