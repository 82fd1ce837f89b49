"""What every server that a test starts has in common: its user, its port, its end.

Servers run in a directory of their own under the system's temporary one, never as
root: PostgreSQL and PgBouncer refuse that.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest

WITHOUT_SERVERS = "MINTGATE_TEST_WITHOUT_SERVERS"
"""Set to 1 to skip the tests whose server is not installed; else they fail."""

STOP_WAIT_S = 20.0
USERS = ("postgres", "nobody")
"""Whom servers run as when the tests run as root; the first that exists."""


def unavailable(what: str) -> NoReturn:
    """Say in one line that a server cannot be had: a failure, unless skipping was asked for."""
    if os.environ.get(WITHOUT_SERVERS) == "1":
        pytest.skip(what)
    pytest.fail(f"{what} (or set {WITHOUT_SERVERS}=1)", pytrace=False)


def find_program(name: str, *folders: str) -> Path:
    """A server's program, on the path or in one of these folders, newest version first."""
    if found := shutil.which(name):
        return Path(found)
    for pattern in (*folders, "usr/sbin"):
        if matches := sorted(Path("/").glob(f"{pattern}/{name}"), key=_version):
            return matches[-1]
    unavailable(f"{name} is not installed; run: sudo scripts/servers")


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.parts if part.isdigit())


def identity() -> dict[str, Any]:
    """Arguments that make `subprocess` run a server as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    user = _unprivileged()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


def _unprivileged() -> pwd.struct_passwd:
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    unavailable(f"there is none of the users {', '.join(USERS)} to run servers as")


def make_directory(prefix: str) -> Path:
    """A new directory that belongs to whom servers run as. The caller removes it."""
    directory = Path(tempfile.mkdtemp(prefix=f"mintgate-{prefix}-"))
    if os.geteuid() == 0:
        user = _unprivileged()
        os.chown(directory, user.pw_uid, user.pw_gid)
    return directory


def run(*command: str | Path, **options: Any) -> str:
    """Run one of a server's tools to its end and return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        # The caller's directory may be closed to the server's user.
        cwd="/",
        **identity(),
        **options,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return str(done.stdout)


def spawn(log: Path, *command: str | Path) -> subprocess.Popen[bytes]:
    """Start a server whose output goes to a file."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            # Ctrl-C in the terminal ends the tests, which then stop their servers.
            start_new_session=True,
            **identity(),
        )
