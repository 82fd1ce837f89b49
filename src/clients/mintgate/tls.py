"""TLS between facades, commands and core, from the settings, checked before anything starts.

A certificate that cannot be used is told at the start in one line, by a handshake
in memory with the same library that the real one uses. Plain text is for loopback,
and for networks of which the operator says that they are private.
"""

from __future__ import annotations

import ipaddress
import ssl
from typing import TYPE_CHECKING

import grpc

from ._config_values import ConfigError
from .channel import Tls

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Settings

_FLIGHTS_MAX = 10
"""Turns of a handshake in memory; TLS 1.3 takes three."""


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """How core shows itself, and whom it lets in; None for plain text. Raises `ConfigError`."""
    cert, key, ca = (
        settings.grpc_tls_cert,
        settings.grpc_tls_key,
        settings.grpc_tls_client_ca,
    )
    if cert is None and key is None:
        if ca is not None:
            raise ConfigError(("MINTGATE_GRPC_TLS_CLIENT_CA needs MINTGATE_GRPC_TLS_CERT",))
        _refuse_plain_text(settings, settings.host, "MINTGATE_HOST", "MINTGATE_GRPC_TLS_CERT")
        return None
    if cert is None or key is None:
        raise ConfigError(("MINTGATE_GRPC_TLS_CERT and MINTGATE_GRPC_TLS_KEY go together",))
    _check_pair("MINTGATE_GRPC_TLS_CERT", cert, key)
    if ca is not None:
        _check_authorities("MINTGATE_GRPC_TLS_CLIENT_CA", ca)
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), cert.read_bytes())],
        root_certificates=None if ca is None else ca.read_bytes(),
        require_client_auth=ca is not None,
    )


def core_tls(settings: Settings, target: str = "") -> Tls | None:
    """How to reach the core; None for plain text. Raises `ConfigError`.

    TLS is on as soon as one of its settings is there; a server name alone
    trusts the system's authorities.
    """
    ca, cert, key = settings.core_ca, settings.core_cert, settings.core_key
    if not (ca or cert or key or settings.core_server_name or settings.grpc_tls_cert):
        for each in (target or settings.core_target).split(","):
            host = each.rpartition(":")[0].strip("[]")
            _refuse_plain_text(settings, host, "MINTGATE_CORE_TARGET", "MINTGATE_CORE_CA")
        return None
    if (cert is None) != (key is None):
        raise ConfigError(("MINTGATE_CORE_CERT and MINTGATE_CORE_KEY go together",))
    if ca is not None:
        _check_authorities("MINTGATE_CORE_CA", ca)
    if cert is not None and key is not None:
        _check_pair("MINTGATE_CORE_CERT", cert, key)
    return Tls(
        root_certificates=ca,
        client_certificate=cert,
        client_key=key,
        server_name=settings.core_server_name or "",
    )


def is_loopback(host: str) -> bool:
    """Whether an address never leaves the machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_plain_text(settings: Settings, host: str, name: str, remedy: str) -> None:
    if not settings.grpc_insecure and not is_loopback(host):
        problem = (
            f"{name}: {host} is not loopback, and gRPC would be plain text; set {remedy}, "
            "or MINTGATE_GRPC_INSECURE=1 if the network is private"
        )
        raise ConfigError((problem,))


def _check_authorities(name: str, path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ssl.SSLError) as failure:
        raise ConfigError((f"{name}: {path} cannot be used: {_why(failure)}",)) from None


def _check_pair(name: str, cert: Path, key: Path) -> None:
    """Refuse a pair that does not belong together, or that is not valid now."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    peer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    peer.check_hostname = False
    # Trusting the certificate itself leaves its dates as the thing that is checked.
    peer.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        # Without the callback, a key with a passphrase would ask for it on the terminal.
        own.load_cert_chain(cert, key, password=lambda: "")
        peer.load_verify_locations(cert)
        _shake_hands(own, peer)
    except (OSError, ssl.SSLError) as failure:
        raise ConfigError((f"{name}: {cert} cannot be used: {_why(failure)}",)) from None


def _shake_hands(own: ssl.SSLContext, peer: ssl.SSLContext) -> None:
    to_own, to_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [peer.wrap_bio(to_peer, to_own), own.wrap_bio(to_own, to_peer, server_side=True)]
    for _ in range(_FLIGHTS_MAX):
        for side in tuple(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)
        if not sides:
            return


def _why(failure: OSError) -> str:
    if isinstance(failure, ssl.SSLCertVerificationError):
        # A certificate for clients alone is told only by its dates here.
        return failure.verify_message
    if isinstance(failure, ssl.SSLError):
        reason = failure.reason or str(failure)
        if reason == "KEY_VALUES_MISMATCH":
            return "the key does not belong to the certificate"
        return reason.replace("_", " ").lower()
    return failure.strerror or str(failure)
