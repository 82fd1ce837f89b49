"""One seed a run, printed, so that a failure can be run again."""

from __future__ import annotations

import os
import secrets

import pytest

SEED = int(os.environ.get("MINTGATE_SEED") or secrets.randbits(32))


@pytest.fixture
def run_seed() -> int:
    """The seed of this run; MINTGATE_SEED in the environment sets it."""
    return SEED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to run the same examples again."""
    terminalreporter.write_line(f"properties: again with MINTGATE_SEED={SEED}")
