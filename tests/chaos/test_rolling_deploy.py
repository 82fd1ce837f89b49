"""Two releases on one database: a deploy, core by core and under load, and the way back."""

from __future__ import annotations

import asyncio
import random
import secrets
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from mintgate_core.stores.postgres import schema

from tests.chaos.cluster import READY_WAIT_S, Cluster
from tests.chaos.releases import VERSION, next_release
from tests.chaos.run import run
from tests.chaos.test_chaos import assert_clean
from tests.harness import eventually
from tests.servers.postgres import PostgresServer, running_postgres

BESIDE_S = 1.0
"""How long both releases serve side by side after each step."""
MIGRATED_WITHIN_S = 60.0
DDL_WAIT_S_MAX = schema.DDL_LOCK_TIMEOUT_MS / 1_000 + 1.0
"""The server ends a wait by a timer, which a busy machine may run late."""
WAITING = (
    "select coalesce(max(extract(epoch from clock_timestamp() - query_start)), 0)::float8"
    " from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter table %'"
)
GAVE_WAY = "canceling statement due to lock timeout"


async def command(cluster: Cluster, release: dict[str, str], name: str) -> tuple[int, str]:
    """Run a command of a release on the cluster's store; its status and what it said."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "mintgate_core", name],
        env=cluster.environment | release,
        cwd=cluster.directory,
        capture_output=True,
        text=True,
        timeout=MIGRATED_WITHIN_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def roll(cluster: Cluster, release: dict[str, str]) -> None:
    """Replace one core after the other; each must end well, and the others go on."""
    for core in cluster.cores:
        await asyncio.to_thread(core.stop)
        core.environment = cluster.environment | release
        core.start()
        await asyncio.to_thread(eventually, core.serving, READY_WAIT_S, f"core {core.number}")
        await asyncio.sleep(BESIDE_S)


async def migrate_beside_a_reader(
    cluster: Cluster, release: dict[str, str], server: PostgresServer, database: str
) -> float:
    """Migrate while a reader keeps a table; it leaves once the migration has given way to it.

    Returns how long, at most, the migration waited for a table with everybody behind it.
    """
    waited_s = 0.0
    log = server.directory / "server.log"
    with psycopg.connect(server.url(database)) as reader:
        reader.execute("select count(*) from hold")
        async with asyncio.TaskGroup() as tasks:
            migrating = tasks.create_task(command(cluster, release, "migrate"))
            while not migrating.done():
                ((age_s,),) = await asyncio.to_thread(server.execute, WAITING, database)
                assert isinstance(age_s, float)
                waited_s = max(waited_s, age_s)
                if not reader.closed and GAVE_WAY in log.read_text():
                    reader.close()
                await asyncio.sleep(0.02)
    status, said = migrating.result()
    assert status == 0, said
    return waited_s


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_deploy_and_rollback_lose_nothing(tmp_path: Path) -> None:
    """Old and new cores share a database that is migrated under load; the history stays whole."""
    with running_postgres() as server:
        database = server.create_database()

        async def deploy(cluster: Cluster, _rng: random.Random) -> Counter[str]:
            release = next_release(tmp_path / "next")
            status, said = await command(cluster, release, "serve")
            assert status != 0
            assert "run `mintgate migrate`" in said
            waited_s = await migrate_beside_a_reader(cluster, release, server, database)
            assert 0 < waited_s <= DDL_WAIT_S_MAX
            assert server.execute("select version from schema_info", database) == [(VERSION,)]
            await roll(cluster, release)
            await roll(cluster, {})
            return Counter()

        verdict = await run(
            tmp_path, server.url(database), deploy, seed=secrets.randbelow(2**31), cores=2
        )
    assert_clean(verdict)
