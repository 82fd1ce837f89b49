"""Image, compose file and manifests, held against the code that they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mintgate import Settings
from mintgate.providers import DEFAULT_BASE_URLS
from mintgate_core.app import STOP_GRACE_S as CORE_STOP_S
from mintgate_facade.__main__ import STOP_GRACE_S as FACADE_STOP_S
from mintgate_facade.app import DELIVER_WAIT_S, STOP_WAIT_S

from tests.deploy.conftest import DRAIN_S, KUBERNETES, ROOT, documents, unknown_settings

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = documents(ROOT / "compose.yaml")[0]
FACADE_NEEDS_S = DRAIN_S + FACADE_STOP_S + STOP_WAIT_S + DELIVER_WAIT_S
MANIFESTS = [
    document
    for path in sorted(KUBERNETES.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in documents(path)
]
WORKLOADS = [m for m in MANIFESTS if m["kind"] in {"Deployment", "StatefulSet", "Job"}]


def one(kind: str, name: str) -> Any:
    (found,) = [m for m in MANIFESTS if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


def container(workload: Any) -> Any:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    return only


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_the_image_is_pinned_and_runs_as_nobody() -> None:
    """Bases have a tag and no registry's host, hashes are required, the user is not root."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases)
    assert "--require-hashes" in DOCKERFILE
    users = re.findall(r"^USER (\d+)", DOCKERFILE, flags=re.MULTILINE)
    assert users
    assert int(users[-1]) > 0


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    """A renamed file breaks here rather than in a build."""
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, flags=re.MULTILINE)
        for source in line.split()[:-1]
    ]
    kept = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == name or source.startswith(f"{name}/") for name in kept), source


def test_plain_text_is_allowed_by_who_knows_the_network() -> None:
    """The image never allows gRPC without TLS; compose file and manifests say it, once each."""
    assert "GRPC_INSECURE" not in DOCKERFILE
    data = one("ConfigMap", "mintgate")["data"]
    assert data["MINTGATE_GRPC_INSECURE"] == "1"
    assert sum("MINTGATE_GRPC_INSECURE" in list(settings_of([m])) for m in MANIFESTS) == 1


def test_compose_names_settings_that_exist() -> None:
    """A misspelt variable would stop every process at its start."""
    names = [
        name for service in COMPOSE["services"].values() for name in service.get("environment", {})
    ]
    assert unknown_settings(names) == []
    assert "MINTGATE_STORE" in names


@pytest.mark.parametrize("service", ["migrate", "core", "http-a", "http-b"])
def test_compose_environments_are_settings_that_load(service: str, tmp_path: Path) -> None:
    """With its secrets filled in, each process's environment passes the gateway's own checks."""
    filled = {
        "POSTGRES_PASSWORD": "secret",
        "MINTGATE_OPERATOR_TOKEN": "o" * 32,
        "MINTGATE_SERVICE_TOKEN": "s" * 32,
        "MINTGATE_BOOTSTRAP_MASTER_KEY": "qlk_live_" + "0" * 64,
    }
    environment = {
        name: re.sub(r"\$\{(\w+):[^}]*\}", lambda m: filled.get(m[1], ""), value)
        for name, value in COMPOSE["services"][service]["environment"].items()
    }
    settings = Settings.load(environment | {"MINTGATE_HOST": "0.0.0.0"}, tmp_path)
    # Between containers, plain text has to be allowed by name.
    assert settings.grpc_insecure
    assert settings.metrics_port == 9100


@pytest.mark.parametrize("service", ["http-a", "http-b"])
def test_compose_hands_on_the_key_of_every_provider(service: str) -> None:
    """A key in `.env` reaches the facades, whichever provider it is for."""
    keys = {f"{name.upper()}_API_KEY" for name in DEFAULT_BASE_URLS}
    assert keys <= COMPOSE["services"][service]["environment"].keys()


def test_compose_holds_no_secret() -> None:
    """Every secret comes from outside, and compose refuses to start without it."""
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("TOKEN|MASTER_KEY|PASSWORD", name):
                assert re.fullmatch(r"\$\{\w+:\?set it\}", value), name
            if name.endswith("_API_KEY"):
                assert re.fullmatch(r"\$\{\w+:-\}", value), name


def test_compose_publishes_facades_only() -> None:
    """Core, database and Redis are reached inside a network without a way out."""
    services = COMPOSE["services"]
    assert {n for n, s in services.items() if "ports" in s} == {"http-a", "http-b"}
    assert COMPOSE["networks"]["inside"]["internal"]
    for name in ("core", "migrate", "postgres", "redis"):
        assert services[name]["networks"] == ["inside"]


def test_compose_starts_and_stops_in_order() -> None:
    """Migration before core before facades; each may end before it is killed; one outbox each."""
    services = COMPOSE["services"]
    assert services["core"]["depends_on"]["migrate"]["condition"] == (
        "service_completed_successfully"
    )
    volumes = set()
    for name in ("http-a", "http-b"):
        facade = services[name]
        assert facade["depends_on"]["core"]["condition"] == "service_healthy"
        assert seconds(facade["stop_grace_period"]) > FACADE_NEEDS_S
        volumes.update(facade["volumes"])
    assert len(volumes) == 2
    assert seconds(services["core"]["stop_grace_period"]) > CORE_STOP_S
    assert all("healthcheck" in s for n, s in services.items() if n != "migrate")


def settings_of(manifests: list[Any]) -> Iterator[str]:
    for manifest in manifests:
        yield from manifest.get("data", {})
        yield from manifest.get("stringData", {})


def test_manifests_name_settings_that_exist() -> None:
    """Config and secrets hold settings of the gateway and nothing else."""
    names = list(settings_of(MANIFESTS))
    assert unknown_settings(names) == []
    assert all(name.startswith("MINTGATE_") or name.endswith("_API_KEY") for name in names)


def test_manifests_are_all_listed_and_name_no_namespace() -> None:
    """The kustomization has every file but the secret's template."""
    listed = set(documents(KUBERNETES / "kustomization.yaml")[0]["resources"])
    there = {path.name for path in KUBERNETES.glob("*.yaml")}
    assert listed == there - {"kustomization.yaml", "secret.example.yaml"}
    assert not [m for m in MANIFESTS if "namespace" in m["metadata"]]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w["metadata"]["name"])
def test_pods_may_do_as_little_as_possible(workload: Any) -> None:
    """Not root, nothing to gain, a root file system that cannot be written, a memory limit."""
    pod = workload["spec"]["template"]["spec"]
    own = container(workload)
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert own["securityContext"]["readOnlyRootFilesystem"]
    assert not own["securityContext"]["allowPrivilegeEscalation"]
    assert own["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "memory" in own["resources"]["limits"]


def test_facades_keep_their_outbox_and_their_time() -> None:
    """The data directory outlives the pod, and the pod is given longer than it needs to stop."""
    facade = one("StatefulSet", "mintgate-http")
    (claim,) = facade["spec"]["volumeClaimTemplates"]
    mounted = {m["name"]: m["mountPath"] for m in container(facade)["volumeMounts"]}
    assert mounted[claim["metadata"]["name"]] == "/var/lib/mintgate"
    pod = facade["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > FACADE_NEEDS_S
    core = one("Deployment", "mintgate-core")["spec"]["template"]["spec"]
    assert core["terminationGracePeriodSeconds"] > CORE_STOP_S


def test_probes_ask_the_right_question() -> None:
    """Readiness means that money can be reserved; liveness only that the process lives."""
    facade = container(one("StatefulSet", "mintgate-http"))
    assert facade["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert facade["livenessProbe"]["httpGet"]["path"] == "/healthz"
    core = container(one("Deployment", "mintgate-core"))
    assert core["readinessProbe"]["grpc"]["port"] == 50051
    # Core's health says no while the database is away, which no restart mends.
    assert "tcpSocket" in core["livenessProbe"]


def test_selectors_find_their_pods() -> None:
    """Services, budgets and policies select the pods of a workload, and ports exist there."""
    labels = {m["metadata"]["name"]: m["spec"]["template"]["metadata"]["labels"] for m in WORKLOADS}
    for manifest in MANIFESTS:
        spec = manifest.get("spec", {})
        name = manifest["metadata"]["name"]
        match manifest["kind"]:
            case "Service":
                wanted = spec["selector"]
                ports = {p["name"] for p in container(_workload(name))["ports"]}
                assert {p["targetPort"] for p in spec["ports"]} <= ports
            case "PodDisruptionBudget":
                wanted = spec["selector"]["matchLabels"]
            case "NetworkPolicy":
                wanted = spec["podSelector"]["matchLabels"]
            case _:
                continue
        assert wanted.items() <= labels[name].items(), manifest["kind"]


def _workload(name: str) -> Any:
    (found,) = [w for w in WORKLOADS if w["metadata"]["name"] == name]
    return found
