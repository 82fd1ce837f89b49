"""Starts that cannot succeed, as processes: one clear line, an exit code, and no wait for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mintgate_core.stores.postgres import schema

from tests.certificates import Authority
from tests.ports import free_port
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.timeout(200)

ENDED_WITHIN_S = 60.0
"""A database that is away is waited for; a busy machine starts slowly."""


def refusal(directory: Path, command: str, **settings: str) -> str:
    """The line that a command ends with when it is refused."""
    inherited = {name: value for name, value in os.environ.items() if "MINTGATE" not in name}
    named = {f"MINTGATE_{name.upper()}": value for name, value in settings.items()}
    ports = {"MINTGATE_GRPC_PORT": str(free_port()), "MINTGATE_HTTP_PORT": str(free_port())}
    ended = subprocess.run(
        [sys.executable, "-m", "mintgate", command],
        env=inherited | ports | {"MINTGATE_DATA_DIR": str(directory / "data")} | named,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=ENDED_WITHIN_S,
        check=False,
    )
    assert ended.returncode > 0, ended
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["core", "http", "up", "migrate", "audit", "check-config"])
def test_settings_that_nobody_knows(tmp_path: Path, command: str) -> None:
    """A misspelt name in the file is told by every command that reads it."""
    (tmp_path / "mintgate.toml").write_text('htpp_port = 8080\ndata_dir = "data"\n')
    assert "htpp_port" in refusal(tmp_path, command)


def test_stores_that_nobody_knows(tmp_path: Path) -> None:
    """The URL of another database is told with what may stand there, without its password."""
    said = refusal(tmp_path, "core", store="mysql://root:hunter2@db/books")
    assert "MINTGATE_STORE" in said
    assert "postgresql://" in said
    assert "hunter2" not in said


def test_databases_that_do_not_answer(tmp_path: Path) -> None:
    """What listens nowhere is told within the time that a start may take."""
    store = f"postgresql://mintgate@127.0.0.1:{free_port()}/books"
    assert "cannot be reached" in refusal(tmp_path, "core", store=store)


def test_facades_that_nobody_answers(tmp_path: Path) -> None:
    """A facade by itself, without a key and a simulator, says what to set; it never was ready."""
    said = refusal(tmp_path, "http", simulate="1")
    assert "OPENAI_API_KEY" in said
    assert "MINTGATE_SIMULATOR_PORT" in said


@pytest.mark.parametrize(
    ("by", "told"), [(-1, "run `mintgate migrate`"), (1, "upgrade it")], ids=["old", "new"]
)
def test_schemas_that_do_not_fit(
    tmp_path: Path, postgres: PostgresServer, database: str, by: int, told: str
) -> None:
    """Too old says which command helps, too new which release."""
    version = schema.VERSION + by
    change = f"update schema_info set version = {version}, readable_from = {version}"  # noqa: S608 - numbers
    postgres.execute(change, database)
    assert told in refusal(tmp_path, "core", store=postgres.url(database))


@pytest.mark.parametrize("ahead", [True, False])
def test_clocks_that_disagree(
    tmp_path: Path,
    postgres: PostgresServer,
    database: str,
    ahead: bool,  # noqa: FBT001
) -> None:
    """A database an hour away from this machine is no place to keep time-priced books in."""
    sign = "+" if ahead else "-"
    for statement in (
        "create schema skewed",
        (
            "create function skewed.clock_timestamp() returns timestamptz language sql as"
            f" 'select pg_catalog.clock_timestamp() {sign} interval ''1 hour'''"
        ),
        f"alter database {database} set search_path = skewed, pg_catalog, public",
    ):
        postgres.execute(statement, database)
    said = refusal(tmp_path, "core", store=postgres.url(database))
    assert said.startswith("mintgate: this machine's clock is ")
    assert f"s {'behind' if ahead else 'ahead of'} the database's" in said


def test_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    """Expired ones, by core and by a facade; what is no certificate; a client's half of a pair."""
    authority = Authority(tmp_path).make()
    old = authority.sign("old", expired=True)
    cert, key = str(old.cert), str(old.key)
    said = refusal(tmp_path, "core", grpc_tls_cert=cert, grpc_tls_key=key)
    assert "MINTGATE_GRPC_TLS_CERT" in said
    assert "expired" in said
    ca = str(authority.cert)
    said = refusal(tmp_path, "http", core_ca=ca, core_cert=cert, core_key=key)
    assert "MINTGATE_CORE_CERT" in said
    assert "expired" in said
    (tmp_path / "nonsense.pem").write_text("not a certificate")
    said = refusal(tmp_path, "http", core_ca=str(tmp_path / "nonsense.pem"))
    assert "MINTGATE_CORE_CA" in said
    assert "go together" in refusal(tmp_path, "http", core_ca=ca, core_cert=cert)
