"""The core as a process: what it prints, how it ends, and what its commands answer."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from mintgate import Client
from mintgate.v1 import ledger_pb2
from mintgate_core.__main__ import main
from mintgate_core.secrets_of_keys import SECRET_PATTERN

from tests.servers.postgres import PostgresServer

MASTER = "qlk_live_" + "cd" * 32
WAIT_S = 30.0
"""A bound for what must come, not a pause."""

READY = "MINTGATE_READY grpc="


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An installation of its own, without anything of the machine's."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MINTGATE_") and not name.endswith("_API_KEY")
    }
    return inherited | {"MINTGATE_DATA_DIR": str(tmp_path / "data"), "MINTGATE_GRPC_PORT": "0"}


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str]
) -> dict[str, str]:
    """The same for commands that run in this process."""
    for name in os.environ:
        if name not in environment:
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return environment


def store_of(environment: dict[str, str]) -> Path:
    return Path(environment["MINTGATE_DATA_DIR"]) / "mintgate.db"


@contextmanager
def process(environment: dict[str, str], command: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m mintgate_core`, killed at the end if it still runs."""
    started = subprocess.Popen(
        [sys.executable, "-m", "mintgate_core", command],
        env=environment,
        cwd=Path(environment["MINTGATE_DATA_DIR"]).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def lines_until_ready(core: subprocess.Popen[str]) -> list[str]:
    """What a core prints up to its READY line."""
    assert core.stdout is not None
    lines = []
    for line in core.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(READY):
            return lines
    raise AssertionError(core.communicate())


def target(lines: list[str]) -> str:
    return lines[-1].removeprefix(READY)


def ended(core: subprocess.Popen[str], signal_number: int) -> tuple[int, str, str]:
    """Exit code and the rest of the output after a signal."""
    core.send_signal(signal_number)
    out, err = core.communicate(timeout=WAIT_S)
    return core.returncode, out, err


def test_the_first_serve_tells_its_key_and_where_it_listens(environment: dict[str, str]) -> None:
    """The key once, then READY; the key works there, and SIGTERM ends the core with 0."""
    with process(environment, "serve") as core:
        lines = lines_until_ready(core)
        name, _, secret = lines[0].partition(" ")
        assert (len(lines), name) == (2, "MINTGATE_MASTER_KEY")
        assert SECRET_PATTERN.fullmatch(secret)
        with Client(target(lines), secret) as client:
            assert client.ledger.balance().balance_nano_usd == 100 * 10**9
        code, out, err = ended(core, signal.SIGTERM)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert secret not in err


def test_a_later_serve_tells_no_key(environment: dict[str, str]) -> None:
    """With books of its own a core prints READY alone; a given key is never printed."""
    environment["MINTGATE_BOOTSTRAP_MASTER_KEY"] = MASTER
    environment["MINTGATE_BOOTSTRAP_WALLET_USD"] = "7.5"
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        with process(environment, "serve") as core:
            lines = lines_until_ready(core)
            assert len(lines) == 1
            with Client(target(lines), MASTER) as client:
                assert client.ledger.balance().balance_nano_usd == 7_500_000_000
            code, out, err = ended(core, signal_number)
        assert (code, out) == (0, "")
        assert "Traceback" not in err


def test_a_running_core_keeps_its_file_and_can_be_audited(
    environment: dict[str, str], here: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A second core on the file gets one clear line and an exit code; an audit gets its answer."""
    environment["MINTGATE_BOOTSTRAP_MASTER_KEY"] = MASTER
    with process(environment, "serve") as core:
        lines = lines_until_ready(core)
        assert main(["serve"]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err == f"mintgate: another process is using {store_of(environment)}\n"
        assert main(["migrate"]) == 2
        assert "another process is using" in capsys.readouterr().err
        charge(target(lines))
        assert main(["audit", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["findings"] == 0
        assert ended(core, signal.SIGTERM)[0] == 0


def charge(core: str) -> None:
    """One charge by the master key itself."""
    bound = ledger_pb2.Bound(input_tokens=10, output_tokens=10)
    with Client(core, MASTER) as client:
        key_id = client.keys.authenticate().id
        hold = client.ledger.reserve(
            key_id=key_id, provider="openai", model="gpt-4o-mini", bound=bound
        )
        client.ledger.settle(hold, {"input_tokens": 10})


def test_what_a_killed_core_answered_is_in_the_books(
    environment: dict[str, str], here: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """After kill -9 the audit is clean, and the next core starts on the same file."""
    environment["MINTGATE_BOOTSTRAP_MASTER_KEY"] = MASTER
    with process(environment, "serve") as core:
        charge(target(lines_until_ready(core)))
        core.kill()
        core.communicate(timeout=WAIT_S)
    assert main(["audit"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "audit: 0 findings"
    with process(environment, "serve") as core:
        with Client(target(lines_until_ready(core)), MASTER) as client:
            assert client.meter.usage().totals.request_count == 1
        assert ended(core, signal.SIGTERM)[0] == 0


def test_migrate_makes_a_store_that_audits_clean(
    here: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A fresh store is at this release's schema; an audit of it prints every check and exits 0."""
    for _ in range(2):
        assert main(["migrate"]) == 0
        assert capsys.readouterr().out == f"{store_of(here)} is at the schema of this release\n"
    checks = []
    for arguments in (["audit"], ["audit", "--full"]):
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [int(line.split()[0]) for line in lines[:-1]] == list(range(1, len(lines)))
        assert all(line.split()[1] == "ok" for line in lines[:-1])
        assert lines[-1] == "audit: 0 findings"
        checks.append(len(lines) - 1)
    assert checks[0] < checks[1]


def test_an_audit_that_finds_something_exits_with_1(
    here: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that no journal explains is named in the text and in the document."""
    assert main(["migrate"]) == 0
    with closing(sqlite3.connect(store_of(here))) as connection, connection:
        connection.execute(
            "insert into line (line_id, wallet_id, kind, cap, ceiling, spent)"
            " values (5, 5, 2, 10, 10, 3)"
        )
    capsys.readouterr()
    assert main(["audit"]) == 1
    text = capsys.readouterr().out
    assert " 2 FAIL 1 findings" in text
    assert "line 5 spent 3, journal 0" in text
    assert text.splitlines()[-1] == "audit: 1 findings"
    assert main(["audit", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["findings"] == 1
    (check,) = [check for check in document["checks"] if check["findings"]]
    assert (check["number"], check["findings"]) == (2, ["line 5 spent 3, journal 0"])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line that was printed, to stderr."""
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("mintgate: ")
    return told.err


def test_an_audit_of_nothing_is_no_clean_audit(
    here: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a file, or with one that is no store, there is one line and exit code 2."""
    assert main(["audit"]) == 2
    assert f"there is no store at {store_of(here)}" in one_line(capsys)
    assert not store_of(here).exists()
    store_of(here).parent.mkdir()
    store_of(here).write_bytes(b"not a database, but long enough to look at" * 100)
    assert main(["audit"]) == 2
    assert "cannot audit" in one_line(capsys)
    assert main(["serve"]) == 2
    assert "cannot open" in one_line(capsys)


@pytest.mark.parametrize("command", ["serve", "migrate", "audit"])
def test_bad_settings_are_one_line(
    here: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """Every command names the setting that cannot be used, without repeating a secret."""
    for name, value in (
        ("MINTGATE_GRPC_PORT", "http"),
        ("MINTGATE_STORE", "mysql://x"),
        ("MINTGATE_BOOTSTRAP_MASTER_KEY", "qlk_live_" + "E" * 64),
        ("MINTGATE_NO_SUCH_SETTING", "1"),
    ):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            assert main([command]) == 2
        line = one_line(capsys)
        assert name in line
        assert "E" * 64 not in line


def test_a_taken_port_is_one_line(
    here: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address that cannot be had is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("MINTGATE_GRPC_PORT", str(port))
        assert main(["serve"]) == 2
    assert one_line(capsys) == f"mintgate: cannot listen on 127.0.0.1:{port}\n"


def test_a_token_that_others_may_read_is_one_line(
    here: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A core does not start on a token that is no secret."""
    token = store_of(here).with_name("operator-token")
    token.parent.mkdir()
    token.write_text("t" * 64)
    token.chmod(0o644)
    assert main(["serve"]) == 2
    assert "operator-token: others may read this token" in one_line(capsys)


def test_a_data_directory_that_is_a_file_is_one_line(
    here: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the system refuses is told in its words."""
    store_of(here).parent.write_text("")
    assert main(["serve"]) == 2
    assert "Not a directory" in one_line(capsys)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The parser names the commands that there are."""
    with pytest.raises(SystemExit) as caught:
        main(["steal"])
    assert caught.value.code == 2
    assert "serve" in capsys.readouterr().err


def test_core_and_commands_use_the_database(
    environment: dict[str, str], postgres: PostgresServer, empty_database: str
) -> None:
    """On PostgreSQL: refused before `migrate`, served after it, audited while it runs."""
    Path(environment["MINTGATE_DATA_DIR"]).mkdir(parents=True)
    there = environment | {"MINTGATE_STORE": postgres.url(empty_database)}
    with process(there, "serve") as core:
        _, error = core.communicate(timeout=WAIT_S)
    assert (core.returncode, error.strip()) == (
        2,
        "mintgate: the database has no mintgate schema: run `mintgate migrate`",
    )
    for _ in range(2):
        with process(there, "migrate") as migration:
            said, error = migration.communicate(timeout=WAIT_S)
        assert (migration.returncode, error) == (0, ""), error
        assert "is at the schema of this release" in said
    with process(there, "serve") as first, process(there, "serve") as second:
        made = [line for core in (first, second) for line in lines_until_ready(core)]
        # Both started on an empty database; one of them made the account.
        assert sum(line.startswith("MINTGATE_MASTER_KEY") for line in made) == 1
        with process(there, "audit") as audited:
            report, _ = audited.communicate(timeout=WAIT_S)
        assert audited.returncode == 0, report
        assert "audit: 0 findings" in report
    accounts = postgres.execute("select count(*), min(name) from account", empty_database)
    assert accounts == [(1, "default")]


def test_database_that_is_away_is_one_line(environment: dict[str, str]) -> None:
    """An unreachable database ends a start within a bound, says why, and hides the password."""
    Path(environment["MINTGATE_DATA_DIR"]).mkdir(parents=True)
    there = environment | {"MINTGATE_STORE": "postgresql://mintgate:hunter2@127.0.0.1:1/books"}
    with process(there, "serve") as core:
        _, error = core.communicate(timeout=WAIT_S)
    assert core.returncode == 2
    assert "hunter2" not in error
    assert "Connection refused" in error
    assert error.splitlines()[-1] == "mintgate: the database cannot be reached or is too busy"
