"""Prices from a file, through a gateway that runs: shown, set from a day on, and set once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness import Installation

FILE = """
revision = "2026-12-01"
provider = "mistral"
[[price]]
models = ["mistral-embed"]
usd_per_million = { INPUT_TOKENS = 123 }
source = "s"
[[model]]
models = ["embed-of-tomorrow"]
usd_per_million = { INPUT_TOKENS = 7 }
source = "s"
"""


def prices(gateway: Installation, *arguments: str, status: int = 0) -> Any:
    ran = gateway.command("prices", *arguments, "--json")
    assert ran.returncode == status, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def models(document: Any) -> list[str]:
    return [each["model"] for each in document["differences"]]


def test_a_price_file_is_applied_from_a_day_on_and_once(gateway: Installation) -> None:
    """Until that day nothing changes; from it on the file's prices hold, however often applied."""
    file = gateway.directory / "tomorrow.toml"
    file.write_text(FILE, encoding="utf-8")
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    both = ["embed-of-tomorrow", "mistral-embed"]
    assert models(prices(gateway, "diff", str(file), status=1)) == both
    assert models(prices(gateway, "apply", str(file), "--from", day, "--dry-run")) == both
    assert models(prices(gateway, "apply", str(file), "--from", day)) == both
    assert models(prices(gateway, "apply", str(file), "--from", day)) == []
    assert models(prices(gateway, "diff", str(file), "--at", day)) == []
    assert models(prices(gateway, "diff", str(file), status=1)) == both
    history = prices(gateway, "history", "mistral", "mistral-embed")["prices"]
    sources = [each["source"] for each in history]
    assert (sources[0], sources.count("tomorrow.toml")) == ("tomorrow.toml", 1)
