"""Short courses of kills and freezes under load; `make chaos` runs long ones."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.chaos.nemesis import Faults, tormenting
from tests.chaos.run import Verdict, run
from tests.servers.postgres import running_postgres


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_one_core_on_its_file(tmp_path: Path) -> None:
    """A core on SQLite that is killed and frozen under load keeps every promise."""
    seed = secrets.randbelow(2**31)
    verdict = await run(
        tmp_path,
        f"sqlite:///{tmp_path}/mintgate.db",
        tormenting(Faults(kills=5, freezes=1, restarts=0)),
        seed=seed,
        cores=1,
    )
    assert_clean(verdict)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_three_cores_on_one_database(tmp_path: Path) -> None:
    """Cores that are killed and frozen, and a database that crashes, keep every promise."""
    with running_postgres() as server:
        verdict = await run(
            tmp_path,
            server.url(server.create_database()),
            tormenting(Faults(kills=6, freezes=2, restarts=2), server),
            seed=secrets.randbelow(2**31),
        )
    assert_clean(verdict)


def assert_clean(verdict: Verdict) -> None:
    """Nothing lost, nothing doubled, nothing overspent, nothing left, nothing found."""
    wrong = (verdict.wrong, verdict.audit_findings, verdict.holds_left)
    assert wrong == ([], 0, 0), f"seed {verdict.seed}"
    assert verdict.settles_acknowledged > 0
