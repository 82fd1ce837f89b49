"""Ports to listen on: picked when 0, checked when named, before anything starts."""

from __future__ import annotations

import socket

from ._app import CliError


def claim(host: str, port: int, setting: str) -> int:
    """Return a port of `host` that nobody listens on: `port`, or a free one for 0.

    The port is free again on return, so another process could still take it;
    that is then the child's error, this check is there for the clear line.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CliError(f"MINTGATE_HOST: {host}: {error.strerror}") from None
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # A port of a gateway that has just stopped is free; one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise CliError(
                f"port {port} on {host} cannot be used ({error.strerror}); "
                f"stop what uses it, or set {setting}"
            ) from None
        return int(probe.getsockname()[1])
