"""Alerts and metrics: rules that parse, over metrics that exist, each explained to a person."""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mintgate_core.ratelimit.memory import MemoryLimiter
from mintgate_core.service.metrics import Metrics as CoreMetrics
from mintgate_core.stores.memory import MemoryStore
from mintgate_facade.app import Facade
from mintgate_facade.settings import FacadeSettings
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.conftest import ROOT, documents
from tests.ports import free_port

ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
GUIDE = (ROOT / "docs/operating/monitoring.md").read_text()
CLOCK = itertools.repeat(1).__next__
SUFFIXES = ("_bucket", "_count", "_sum", "_total")


@pytest.fixture
async def families(tmp_path: Path) -> set[str]:
    """Names of all metrics of a core and of a facade, as their pages tell them."""
    core = CoreMetrics(MemoryStore(CLOCK), CLOCK, MemoryLimiter(CLOCK))
    pages = [await core.render()]
    port = free_port()
    facade = Facade(
        FacadeSettings(
            host="127.0.0.1",
            http_port=0,
            core_target=f"127.0.0.1:{free_port()}",
            service_token="s" * 32,
            outbox_directory=tmp_path,
            uploads_directory=tmp_path,
            simulated=True,
            accounts={},
            metrics_port=port,
        )
    )
    await facade.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    pages.append((await reader.read()).partition(b"\r\n\r\n")[2])
    writer.close()
    await facade.stop()
    return {
        family.name
        for page in pages
        for family in text_string_to_metric_families(page.decode())
        if family.name.startswith("mintgate_")
    }


def base(name: str) -> str:
    """A sample's family."""
    return next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)


def rules() -> list[dict[str, str]]:
    return [rule for group in documents(ALERTS)[0]["groups"] for rule in group["rules"]]


def test_alerts_are_over_metrics_that_exist(families: set[str]) -> None:
    """A renamed metric cannot leave an alert behind that never fires."""
    used = {base(n) for rule in rules() for n in re.findall(r"\bmintgate_\w+", rule["expr"])}
    assert used - families == set()
    assert len(used) > 10


def test_every_metric_is_explained(families: set[str]) -> None:
    """The guide names each metric, and none that does not exist."""
    explained = {base(n) for n in re.findall(r"`(mintgate_\w+)", GUIDE)}
    assert families - explained == set()
    assert explained - families == set()


def test_every_alert_is_explained() -> None:
    """Each alert has its line of meaning and action, and each line its alert."""
    told = set(re.findall(r"^\| (Mintgate\w+) \|", GUIDE, flags=re.MULTILINE))
    assert told == {rule["alert"] for rule in rules()}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_rules() -> None:
    """Prometheus's own checker parses every expression."""
    checked = subprocess.run(
        ["promtool", "check", "rules", str(ALERTS)],  # noqa: S607 - found above
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
