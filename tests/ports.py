"""Ports that nobody else takes between being picked and being bound.

A port from the kernel's own choice ("bind to 0, close, use it later") may be
given, in between, to any outgoing connection of the machine, and to another
test: with thousands of connections a run, that happens. So ports come from
below the kernel's range for outgoing connections (32768 and up on Linux), and
each test process has a block of them to itself, held by a file lock that ends
with the process.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

FIRST_PORT = 20_000
BLOCK_PORTS = 200
BLOCKS = 60


def free_port(consecutive: int = 1) -> int:
    """The first of so many consecutive ports that are free and this process's alone."""
    first, turns = _block()
    for _ in range(BLOCK_PORTS):
        offset = next(turns) % BLOCK_PORTS
        ports = range(first + offset, first + offset + consecutive)
        if ports.stop <= first + BLOCK_PORTS and all(map(_is_free, ports)):
            for _ in ports[1:]:
                next(turns)
            return ports.start
    raise AssertionError(f"none of the ports {first} to {first + BLOCK_PORTS - 1} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@cache
def _block() -> tuple[int, count[int]]:
    """The first port of this process's block, and a counter that goes round in it."""
    directory = Path(tempfile.gettempdir()) / f"mintgate-test-ports-{os.getuid()}"
    directory.mkdir(exist_ok=True)
    for block in range(BLOCKS):
        lock = os.open(directory / str(block), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        # Never closed: the lock is this process's until it ends.
        return FIRST_PORT + block * BLOCK_PORTS, count()
    raise AssertionError(f"all {BLOCKS} blocks of test ports are taken; see {directory}")
