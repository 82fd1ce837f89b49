"""check-config, providers, and what commands say when they cannot go on."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mintgate import cli
from mintgate.cli import server

from .conftest import Mintgate

MAIN = (sys.executable, "-c", "from mintgate.cli import main; main()")


def fake_module(directory: Path, name: str, source: str) -> dict[str, str]:
    """Put a package of this name before the real one; return the environment for it."""
    package = directory / "fakes" / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text(source, encoding="utf-8")
    return dict(os.environ) | {"PYTHONPATH": str(directory / "fakes")}


def test_the_version_is_the_installed_one(mintgate: Mintgate) -> None:
    """`--version` says the version of the distribution, and nothing else is needed for it."""
    ran = mintgate("--version")

    assert (ran.status, ran.err) == (0, "")
    assert ran.out == f"mintgate {importlib.metadata.version('mintgate')}\n"


def test_check_config_shows_values_and_sources(mintgate: Mintgate) -> None:
    """Every setting is shown with its source; secrets are masked."""
    ran = mintgate("check-config", OPENAI_API_KEY="sk-proj-0123456789abcdef")
    document = mintgate("check-config", "--json").json

    assert "…cdef" in ran.out
    assert "sk-proj" not in ran.out
    assert ran.out.splitlines()[-1] == "providers are real"
    assert document["simulated"] is True
    assert {"name": "http_port", "value": "8080", "source": "default"} in document["settings"]


def test_check_config_fails_on_nonsense(mintgate: Mintgate) -> None:
    """Each problem is a line on stderr, and the status says so."""
    ran = mintgate("check-config", MINTGATE_HTPP_PORT="1", MINTGATE_WORKERS="0")

    assert (ran.status, ran.out) == (1, "")
    assert [line.split(":")[1].strip() for line in ran.err.splitlines()] == [
        "MINTGATE_HTPP_PORT",
        "MINTGATE_WORKERS",
    ]


def test_providers(mintgate: Mintgate) -> None:
    """All twelve are shown, or only those with a key."""
    assert len(mintgate("providers", "--json").json["providers"]) == 12
    only = mintgate("providers", "--configured", "--json", XAI_API_KEY="xai-1").json
    assert [(each["name"], each["configured"]) for each in only["providers"]] == [("xai", True)]
    assert "https://api.x.ai/v1" in mintgate("providers").out


def test_a_missing_server_is_told_with_its_cure(
    mintgate: Mintgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the server extra each process command says what to install."""
    monkeypatch.setattr(server, "SERVER_PACKAGES", ("json", "no_such_package_here"))

    for command in ("up", "core", "http", "simulate", "migrate", "audit"):
        ran = mintgate(command)
        assert ran.status == 1
        assert ran.err == (
            "error: this needs the server (missing: no_such_package_here): "
            "pip install 'mintgate[server]'\n"
        )


def test_without_a_key_it_says_how_to_give_one(mintgate: Mintgate) -> None:
    """A command without any credential names the ways to give one."""
    ran = mintgate("usage")

    assert ran.status == 1
    assert "give --key or set MINTGATE_KEY" in ran.err


def test_without_a_core_it_says_where_it_looked(mintgate: Mintgate) -> None:
    """A core that does not answer is named, with what to do; no traceback."""
    ran = mintgate("wallet", "balance", "--target", "127.0.0.1:1", "--key", "qlk_live_x")

    assert ran.status == 1
    (line,) = ran.err.splitlines()
    assert "no answer from a core at 127.0.0.1:1" in line
    assert "mintgate up" in line


@pytest.mark.parametrize("target", ["localhost", "core-1", "http://127.0.0.1:50051"])
def test_an_address_without_a_port_is_told(mintgate: Mintgate, target: str) -> None:
    """A target that is no host:port is refused as such, before anything about TLS."""
    ran = mintgate("usage", "--target", target, "--key", "qlk_live_x")

    assert ran.status == 1
    assert f"--target: '{target}' is no core's address; write host:port" in ran.err


def test_a_key_that_cannot_be_sent_is_masked(mintgate: Mintgate) -> None:
    """A key with a line break is told apart, and not shown."""
    ran = mintgate(
        "usage", "--account", "a", "--target", "127.0.0.1:1", "--key", "qlk_live_12345678\n90"
    )

    assert "cannot be sent" in ran.err
    assert "12345678" not in ran.err


def test_processes_are_replaced_with_their_arguments(tmp_path: Path) -> None:
    """A process command becomes `python -m`, with its own arguments, and its exit status."""
    environ = fake_module(
        tmp_path,
        "mintgate_core",
        "import json, os, sys\nprint(json.dumps([os.getpid(), *sys.argv[1:]]))\nsys.exit(7)",
    )

    process = subprocess.Popen(
        [*MAIN, "audit", "--json", "--deep"], env=environ, stdout=subprocess.PIPE, text=True
    )
    out, _ = process.communicate()

    assert [process.pid, "audit", "--json", "--deep"] == json.loads(out)
    assert process.returncode == 7


def test_a_defect_is_a_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even an error that nobody foresaw is one line, unless a developer asks for more."""

    def broken() -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert "a defect of mintgate (ZeroDivisionError: oops)" in capsys.readouterr().err

    monkeypatch.setenv("MINTGATE_LOG_LEVEL", "debug")
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_help_names_every_command(mintgate: Mintgate) -> None:
    """Help shows all commands, each with a sentence."""
    out = mintgate("--help").out

    for command in (
        *("up", "core", "http", "simulate", "migrate", "audit", "check-config"),
        *("keys", "accounts", "wallet", "usage", "events", "prices", "providers"),
    ):
        assert f"  {command} " in out


@pytest.mark.parametrize("command", ["core", "http", "simulate", "migrate", "audit"])
def test_help_of_a_process_is_that_of_the_command(command: str) -> None:
    """Help shows the command as it is typed, and only the options that it takes."""
    ran = subprocess.run([*MAIN, command, "--help"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"usage: mintgate {command} [-h]")
    assert ("--full" in ran.stdout) == (command == "audit")
