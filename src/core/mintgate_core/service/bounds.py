"""What one core lets its gRPC clients take: bytes, streams, calls, connections and time."""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""512 operations of the largest size fit many times."""


@dataclass(frozen=True, slots=True)
class GrpcBounds:
    """Each acts by itself, in gRPC's own library or in its asyncio server."""

    message_bytes_max: int = MESSAGE_BYTES_MAX
    """Of one message that a client sends; RESOURCE_EXHAUSTED beyond it."""
    streams_max: int = 1_024
    """Open calls of one connection: one link a worker, and room for many tails. A client's next
    call waits in the client until one of them ends."""
    calls_max: int = 16_384
    """Open calls of all connections; RESOURCE_EXHAUSTED beyond it."""
    connections_max: int = 4_096
    """A connection beyond it is closed as soon as it is made."""
    idle_ms: int = 1_800_000
    """A connection without any call is told to go away; clients make another when they need it."""
    handshake_wait_ms: int = 10_000
    """How long a connection may take until its TLS stands."""
    keepalive_ms: int = 30_000
    """A connection with open calls that says nothing for so long is asked whether its other end
    still lives: machines that vanished must not hold streams for ever."""
    keepalive_wait_ms: int = 10_000
    """How long the answer may take; then the connection is closed with its calls. Clients that
    ask more often than gRPC's own bound allows are told to go away, which is its default."""

    def channel_arguments(self) -> list[tuple[str, int]]:
        """As gRPC's library wants them. `calls_max` is the asyncio server's own."""
        return [
            ("grpc.max_receive_message_length", self.message_bytes_max),
            ("grpc.max_concurrent_streams", self.streams_max),
            ("grpc.max_allowed_incoming_connections", self.connections_max),
            ("grpc.max_connection_idle_ms", self.idle_ms),
            ("grpc.server_handshake_timeout_ms", self.handshake_wait_ms),
            ("grpc.keepalive_time_ms", self.keepalive_ms),
            # The first alone leaves a connection whose machine acknowledges bytes, but whose
            # process does not answer, open for a minute.
            ("grpc.keepalive_timeout_ms", self.keepalive_wait_ms),
            ("grpc.http2.ping_timeout_ms", self.keepalive_wait_ms),
        ]
