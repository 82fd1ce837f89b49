"""The units: systemd takes them, and they run commands and settings that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mintgate_core.app import STOP_GRACE_S as CORE_STOP_S
from mintgate_facade.__main__ import STOP_GRACE_S as FACADE_STOP_S
from mintgate_facade.app import DELIVER_WAIT_S, STOP_WAIT_S

from tests.deploy.conftest import DRAIN_S, SYSTEMD, unknown_settings

UNITS = sorted(SYSTEMD.glob("*.service"))
NEEDS_S = {
    "mintgate-core@.service": CORE_STOP_S,
    "mintgate-http@.service": DRAIN_S + FACADE_STOP_S + STOP_WAIT_S + DELIVER_WAIT_S,
}


def value(unit: Path, name: str) -> str:
    """The last value of a setting of a unit."""
    found: list[str] = re.findall(rf"^{name}=(.*)$", unit.read_text(), flags=re.MULTILINE)
    return found[-1]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say about any of them."""
    for unit in UNITS:
        # The program and its user are the machine's to have; all else is as it ships.
        text = re.sub(r"\nExecStart=\S+", "\nExecStart=/bin/true", unit.read_text())
        text = re.sub(r"^(User|Group)=.*$", "", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    shutil.copy(SYSTEMD / "mintgate.target", tmp_path)
    names = [unit.name.replace("@", "@1") for unit in UNITS]
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in names)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_gives_its_process_time_and_little_else(unit: Path) -> None:
    """Stopped in order before it is killed; no privilege, a file system that is read-only."""
    assert int(value(unit, "TimeoutStopSec").removesuffix("s")) > NEEDS_S[unit.name]
    assert value(unit, "User") == "mintgate"
    assert value(unit, "NoNewPrivileges") == "yes"
    assert value(unit, "ProtectSystem") == "strict"
    assert value(unit, "CapabilityBoundingSet") == ""
    # The processes do not speak systemd's protocol, so a watchdog would kill them.
    assert "WatchdogSec" not in unit.read_text()
    assert value(unit, "Type") == "exec"


def test_units_name_settings_that_exist() -> None:
    """In the units and in the example of their environment."""
    text = "".join(path.read_text() for path in SYSTEMD.iterdir())
    names = re.findall(r"^(?:Environment=)?([A-Z_]+)=", text, flags=re.MULTILINE)
    assert unknown_settings(names) == []
    assert "MINTGATE_STORE" in names
