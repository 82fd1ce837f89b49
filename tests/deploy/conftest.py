"""What the files for running it are held against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # one parser, in one place
from mintgate._config_sources import variable_names
from mintgate._config_values import SETTINGS as SETTING_ROWS
from mintgate.providers import DEFAULT_BASE_URLS

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = frozenset(variable_names(DEFAULT_BASE_URLS))
DRAIN_S = int(next(row.default({}) for row in SETTING_ROWS if row.name == "drain_seconds"))
"""How long a facade lets running requests go on, unless somebody says otherwise."""

KUBERNETES = ROOT / "deploy/kubernetes"
SYSTEMD = ROOT / "deploy/systemd"


def documents(path: Path) -> list[Any]:
    """The documents of a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def unknown_settings(names: Iterator[str] | list[str]) -> list[str]:
    """Names that look like settings of ours and are none."""
    ours = [n for n in names if n.startswith("MINTGATE_") or n.endswith("_API_KEY")]
    return [name for name in ours if name not in SETTINGS]
