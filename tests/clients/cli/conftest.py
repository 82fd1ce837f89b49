"""The command line in a directory of its own, with nothing set but what a test sets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mintgate.cli import app
from mintgate.providers import DEFAULT_BASE_URLS
from typer.testing import CliRunner

from tests.clients.conftest import FakeCore


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


Mintgate = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keys = {f"{name.upper()}_API_KEY" for name in DEFAULT_BASE_URLS}
    for name in list(os.environ):
        if name.startswith("MINTGATE_") or name in keys:
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def mintgate() -> Mintgate:
    """Run one command without a core."""

    def run(*arguments: str, **environ: str) -> Ran:
        result = CliRunner().invoke(app, list(arguments), env=environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def against(mintgate: Mintgate, core: FakeCore) -> Mintgate:
    """Run one command against the scripted core, with a master key."""

    def run(*arguments: str, **environ: str) -> Ran:
        defaults = {"MINTGATE_TARGET": core.target, "MINTGATE_KEY": "qlk_live_master"}
        return mintgate(*arguments, **(defaults | environ))

    return run
