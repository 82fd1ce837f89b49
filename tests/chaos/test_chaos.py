"""Short courses of kills and freezes under load; `make chaos` runs long ones."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.chaos.nemesis import Faults
from tests.chaos.run import run


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_one_core_on_its_file(tmp_path: Path) -> None:
    """A core on SQLite that is killed and frozen under load keeps every promise."""
    seed = secrets.randbelow(2**31)
    verdict = await run(
        tmp_path,
        f"sqlite:///{tmp_path}/mintgate.db",
        None,
        seed=seed,
        faults=Faults(kills=5, freezes=1, restarts=0),
        cores=1,
    )
    assert (verdict.wrong, verdict.audit_findings, verdict.holds_left) == ([], 0, 0), f"seed {seed}"
    assert verdict.settles_acknowledged > 0
