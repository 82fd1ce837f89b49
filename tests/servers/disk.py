"""A file system of a few megabytes that a test fills to its last byte, and empties again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class SmallDisk:
    """Where it is mounted."""

    path: Path

    @property
    def ballast(self) -> Path:
        """The file that takes what is left."""
        return self.path / "ballast"

    def fill(self) -> None:
        """Take every free byte."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (PIECE_BYTES, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError:
                    # Less is left than this.
                    continue

    def free(self) -> None:
        """Give back what `fill` took."""
        self.ballast.unlink()


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one on a directory, for that directory's owner; skips where mounts are refused."""
    owner = path.stat()
    options = f"size={megabytes}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mounting is refused here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: S607
