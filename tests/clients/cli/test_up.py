"""`mintgate up` as a process of its own, over processes that only say they are ready."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mintgate import Settings
from mintgate.cli._banner import banner
from mintgate.cli._ports import claim
from mintgate.cli.up import plan

FAKE = """
import json, os, signal, sys

name = sys.argv[0].split(os.sep)[-2]
kept = {k: v for k, v in os.environ.items() if k.startswith("MINTGATE_") or k.endswith("_API_KEY")}
record = os.path.join(os.environ["FAKE_RECORDS"], f"{name}-{os.getpid()}.json")
with open(record, "w") as file:
    json.dump({"argv": sys.argv[1:], "environ": kept}, file)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if name == "mintgate_core":
    print("MINTGATE_MASTER_KEY qlk_live_" + "5" * 64, flush=True)
print("core says hello" if name == "mintgate_core" else "hello", flush=True)
print("listening on 127.0.0.1:1" if "simulator" in name else "MINTGATE_READY x=1", flush=True)
signal.pause()
"""
MASTER = "qlk_live_" + "5" * 64
FAKES = ("mintgate_core", "mintgate_facade", "mintgate_simulator")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which the three processes are fakes, and all ports are picked."""
    for name in FAKES:
        package = tmp_path / "fakes" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("", encoding="utf-8")
        (package / "__main__.py").write_text(FAKE, encoding="utf-8")
    (tmp_path / "records").mkdir()
    return dict(os.environ) | {
        "PYTHONPATH": str(tmp_path / "fakes"),
        "FAKE_RECORDS": str(tmp_path / "records"),
        "MINTGATE_HTTP_PORT": "0",
        "MINTGATE_GRPC_PORT": "0",
        "MINTGATE_WORKERS": "2",
        "MINTGATE_DATA_DIR": str(tmp_path / "data"),
    }


@contextmanager
def running(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run `mintgate up`; whatever a test does, nothing is left behind."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from mintgate.cli import main; main()", "up"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def until_ready(process: subprocess.Popen[str]) -> list[str]:
    """Return the lines that were said up to the ready line for scripts."""
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line.rstrip("\n"))
        if line.startswith("MINTGATE_READY "):
            return lines
    raise AssertionError(f"not ready: {lines} {process.communicate()}")


def records(tmp_path: Path) -> list[tuple[str, list[str], dict[str, str]]]:
    """What each fake was started with: module, arguments, settings."""
    found = []
    for path in sorted((tmp_path / "records").iterdir()):
        record = json.loads(path.read_text(encoding="utf-8"))
        found.append((path.name.split("-")[0], record["argv"], record["environ"]))
    return found


def test_the_whole_life(tmp_path: Path, environ: dict[str, str]) -> None:
    """It starts all processes, greets with the master key, and stops them on SIGTERM."""
    with running(environ) as process:
        lines = until_ready(process)
        run_dir = tmp_path / "data" / "run"
        pids = {path.stem: int(path.read_text()) for path in run_dir.glob("*.pid")}
        started = records(tmp_path)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()

    assert process.returncode == 0
    assert {"up", "core", "facade-0", "facade-1", "simulator"} == set(pids)
    assert pids["up"] == process.pid
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert not list(run_dir.glob("*.pid"))
    said = "\n".join(lines)
    assert "SIMULATED" in said
    assert said.count(MASTER) == 2  # Once to keep, once in the line to try.
    assert MASTER not in err
    assert "[core] core says hello" in err
    assert sorted((module, argv[:1]) for module, argv, _ in started) == [
        ("mintgate_core", ["serve"]),
        ("mintgate_facade", ["--worker"]),
        ("mintgate_facade", ["--worker"]),
        ("mintgate_simulator", ["--host"]),
    ]
    assert (tmp_path / "data" / "operator-token").exists()


def test_children_agree_on_the_ports_that_were_picked(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """Every process is told the same ports, and providers point at the simulator."""
    with running(environ) as process:
        ready = until_ready(process)[-1]
        started = records(tmp_path)

    simulator_port = next(argv[3] for module, argv, _ in started if "simulator" in module)
    facades = [values for module, _, values in started if "facade" in module]
    core = next(values for module, _, values in started if "core" in module)
    for values in (*facades, core):
        assert f"127.0.0.1:{values['MINTGATE_GRPC_PORT']}" == values["MINTGATE_CORE_TARGET"]
        assert ready == (
            f"MINTGATE_READY http=127.0.0.1:{values['MINTGATE_HTTP_PORT']}"
            f" grpc={values['MINTGATE_CORE_TARGET']}"
        )
        assert values["MINTGATE_SIMULATE"] == "1"
        root = f"http://127.0.0.1:{simulator_port}"
        assert values["MINTGATE_OPENAI_BASE_URL"] == f"{root}/openai/v1"
        assert values["MINTGATE_ANTHROPIC_BASE_URL"] == f"{root}/anthropic"
        assert values["MINTGATE_GEMINI_BASE_URL"] == f"{root}/gemini"


def test_real_providers_are_handed_to_the_facade_alone(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """With a provider key there is no simulator, and the core does not see the key."""
    with running(environ | {"OPENAI_API_KEY": "sk-real"}) as process:
        said = "\n".join(until_ready(process))
        started = records(tmp_path)

    assert "Providers: openai." in said
    assert {"mintgate_core", "mintgate_facade"} == {module for module, _, _ in started}
    for module, _, values in started:
        assert values["MINTGATE_SIMULATE"] == "0"
        assert ("OPENAI_API_KEY" in values) == ("facade" in module)


def test_one_data_directory_has_one_gateway(environ: dict[str, str]) -> None:
    """A second `mintgate up` on the same data is refused in one line."""
    with running(environ) as first:
        until_ready(first)
        with running(environ) as second:
            _, err = second.communicate()

    assert second.returncode == 1
    assert err.startswith("error: another `mintgate up` runs on ")


def test_a_port_in_use_is_one_line(environ: dict[str, str]) -> None:
    """A port that somebody listens on is named before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(environ | {"MINTGATE_HTTP_PORT": str(port)}) as process:
            _, err = process.communicate()

    assert process.returncode == 1
    (line,) = err.splitlines()
    assert line.startswith(f"error: port {port} on 127.0.0.1 cannot be used")
    assert "MINTGATE_HTTP_PORT" in line


def test_a_child_that_fails_fails_the_whole(tmp_path: Path, environ: dict[str, str]) -> None:
    """When the core cannot start, its own words are shown and the status is 1."""
    core = tmp_path / "fakes" / "mintgate_core" / "__main__.py"
    core.write_text("import sys\nsys.exit('mintgate: the disk is full')", encoding="utf-8")

    with running(environ) as process:
        out, err = process.communicate()

    assert (process.returncode, out) == (1, "")
    assert "mintgate: the disk is full" in err
    assert err.splitlines()[-1].startswith("error: core ended with status 1 before it was ready")


def test_no_provider_and_no_simulation_is_refused(environ: dict[str, str]) -> None:
    """A gateway that could answer nothing does not start."""
    with running(environ | {"MINTGATE_SIMULATE": "0"}) as process:
        _, err = process.communicate()

    assert process.returncode == 1
    assert "no provider key is set" in err


def test_a_simulated_gateway_cannot_spend(tmp_path: Path) -> None:
    """Simulated, real keys stay here; a base URL that was set keeps its own key."""
    settings = Settings.load(
        {
            "MINTGATE_SIMULATE": "1",
            "OPENAI_API_KEY": "sk-real",
            "XAI_API_KEY": "xai-real",
            "GEMINI_API_KEY": "twin-key",
            "MINTGATE_GEMINI_BASE_URL": "http://127.0.0.1:9/gemini",
        },
        tmp_path,
    )

    facade = plan(settings, 7)[-1][0].environment

    assert "OPENAI_API_KEY" not in facade
    assert "XAI_API_KEY" not in facade
    assert facade["MINTGATE_OPENAI_BASE_URL"] == "http://127.0.0.1:7/openai/v1"
    assert facade["GEMINI_API_KEY"] == "twin-key"
    assert facade["MINTGATE_GEMINI_BASE_URL"] == "http://127.0.0.1:9/gemini"


def test_the_simulator_knows_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator gets no setting and no provider key."""
    monkeypatch.setenv("MINTGATE_OPERATOR_TOKEN", "0123456789abcdef" * 4)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")

    simulator = plan(Settings.load({}, tmp_path), 7)[0][0]

    assert "--port" in simulator.argv
    assert not [name for name in simulator.environment if name.startswith("MINTGATE_")]
    assert "OPENAI_API_KEY" not in simulator.environment
    assert "sk-real" not in repr(simulator)


SCRIPTS = Path(sys.executable).parent


def test_the_banner_tries_a_provider_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request to try is one that can be answered; the key is shown only when it is new."""
    monkeypatch.setenv("PATH", str(SCRIPTS))
    settings = Settings.load({"ANTHROPIC_API_KEY": "sk-ant"}, tmp_path)

    text = banner(settings, None)

    assert "/anthropic/v1/messages" in text
    assert "/openai/" not in text
    assert "$MASTER_KEY" in text
    assert "master key" not in text
    assert text.splitlines()[-1].strip() == "mintgate usage"


def test_the_banner_s_last_line_works_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ports and data elsewhere, the command to try says where."""
    monkeypatch.setenv("PATH", str(SCRIPTS))
    environ = {"MINTGATE_GRPC_PORT": "7", "MINTGATE_DATA_DIR": "/srv/my data"}

    text = banner(Settings.load(environ, tmp_path), None)

    assert "  MINTGATE_DATA_DIR='/srv/my data' mintgate usage --target 127.0.0.1:7" in text


def test_the_banner_names_a_command_that_is_not_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an environment that is not activated, the command to try is the script's own path."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(SCRIPTS.parent)

    text = banner(Settings.load({}, tmp_path), None)

    assert text.splitlines()[-1].strip() == f"{SCRIPTS.name}/mintgate usage"


def test_ports_are_picked_or_checked() -> None:
    """0 becomes a free port; a port in use is refused; a free one is kept."""
    picked = claim("127.0.0.1", 0, "MINTGATE_HTTP_PORT")

    assert picked > 0
    assert picked == claim("127.0.0.1", picked, "MINTGATE_HTTP_PORT")
