"""What the processes are told of gRPC, and by whom."""

from __future__ import annotations

from pathlib import Path

from mintgate.cli._grpc import GRPC_ENVIRONMENT, with_grpc

from tests.harness import Installation


def test_processes_wait_by_the_poller(gateway: Installation) -> None:
    """Core and facade are started with the waiting that was measured to be the cheaper one."""
    for name in ("core", "facade-0"):
        environment = Path(f"/proc/{gateway.pid(name)}/environ").read_text().split("\0")
        assert {f"{name}={value}" for name, value in GRPC_ENVIRONMENT.items()} <= set(environment)


def test_operator_has_the_last_word() -> None:
    """A value that the operator has set is not replaced."""
    assert with_grpc({"GRPC_EXPERIMENTS": "own", "A": "b"}) == {"GRPC_EXPERIMENTS": "own", "A": "b"}
