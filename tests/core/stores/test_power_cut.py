"""A power cut: what is on the disk at any moment is a store with every answered charge in it."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mintgate_core.stores.conformance import Tenant, findings
from mintgate_core.stores.sqlite import SqliteStore

from tests.core.stores.test_crash import WRITER, charges_of

COPIES = 12
ANSWERS_BETWEEN = (1, 60)
SEED = 27


@pytest.mark.slow
async def test_a_copy_at_any_moment_has_every_answer(tmp_path: Path) -> None:
    """Copies of file and log that are taken while it writes open, check, and lost no answer.

    A copy is taken page by page as a power cut would leave them, the log first: what was
    answered before the copy began must be in it.
    """
    path = tmp_path / "mintgate.db"
    store = SqliteStore.open(path)
    tenant = await Tenant.open(store, balance=10**9)
    await store.close()
    for copy, known in _copies(path, tmp_path):
        tenant.store = store = SqliteStore.open(copy)
        try:
            charges = await charges_of(tenant)
            assert {hold_id: charges.get(hold_id) for hold_id in known} == known
            assert await findings(store) == []
        finally:
            await store.close()


def _copies(path: Path, directory: Path) -> list[tuple[Path, dict[str, int]]]:
    """Copies taken under a writer at work, each with what it had answered before."""
    rng = random.Random(SEED)  # noqa: S311 - moments of copies
    copies: list[tuple[Path, dict[str, int]]] = []
    answered: dict[str, int] = {}
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(path), "1"], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for number in range(COPIES):
            for _ in range(rng.randrange(*ANSWERS_BETWEEN)):
                hold_id, charged = writer.stdout.readline().split()
                answered[hold_id] = int(charged)
            folder = directory / f"copy-{number}"
            folder.mkdir()
            for name in ("mintgate.db-wal", "mintgate.db"):
                shutil.copyfile(path.with_name(name), folder / name)
            copies.append((folder / "mintgate.db", dict(answered)))
        writer.kill()
    return copies
