"""Channels to the core: TLS, options and the credential's metadata.

For `Client` and `AsyncClient`, and for those who drive a generated stub
themselves, as the facade does with the ledger's stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

from .errors import InvalidArgument

TARGET_DEFAULT: Final = "127.0.0.1:50051"

RECEIVE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Usage of one account is a single answer; this holds some 200,000 keys."""

_RECONNECT_FIRST_MS: Final = 100
_RECONNECT_MAX_MS: Final = 2_000

_SHOWN_CHARACTERS: Final = 4
_MASKED_CHARACTERS_MIN: Final = 16
_KEY_MARK: Final = "qlk_live_"

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    # Retries are ours: they keep the operation's id and the caller's deadline.
    ("grpc.enable_retries", 0),
    # A core that was restarted is found again within the client's own backoff.
    ("grpc.initial_reconnect_backoff_ms", _RECONNECT_FIRST_MS),
    ("grpc.max_reconnect_backoff_ms", _RECONNECT_MAX_MS),
)

Metadata = tuple[tuple[str, str], ...]

CALLER_FACADE: Final = "mintgate-facade"
"""A facade's own token, in the metadata of a call that it makes with the credential of somebody
else; only then are the next two read."""
CALLER_ORIGIN: Final = "mintgate-origin"
CALLER_ADDRESS: Final = "mintgate-client-address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How to recognise the core, and how to be recognised by it.

    Each certificate is a path, or the PEM itself as bytes. Without
    `root_certificates` the system's are used. `client_certificate` and
    `client_key` are for mutual TLS and go together. `server_name` is the name
    to expect in the core's certificate when it is not the target's host.
    """

    root_certificates: bytes | str | Path | None = None
    client_certificate: bytes | str | Path | None = None
    client_key: bytes | str | Path | None = field(default=None, repr=False)
    server_name: str = ""

    def __post_init__(self) -> None:
        if (self.client_certificate is None) != (self.client_key is None):
            raise InvalidArgument(
                "client_certificate and client_key go together", field="client_key"
            )

    def credentials(self) -> grpc.ChannelCredentials:
        """Return the channel's credentials; reads the files that are named."""
        return grpc.ssl_channel_credentials(
            root_certificates=_pem(self.root_certificates),
            private_key=_pem(self.client_key),
            certificate_chain=_pem(self.client_certificate),
        )


def _pem(source: bytes | str | Path | None) -> bytes | None:
    return Path(source).read_bytes() if isinstance(source, str | Path) else source


def _options(tls: Tls | None) -> list[tuple[str, str | int]]:
    options: list[tuple[str, str | int]] = list(_OPTIONS)
    if tls is not None and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return options


def open_channel(target: str, tls: Tls | None = None) -> grpc.Channel:
    """Open a channel for threads. Without `tls` it is plain text: loopback only."""
    if tls is None:
        return grpc.insecure_channel(target, options=_options(tls))
    return grpc.secure_channel(target, tls.credentials(), options=_options(tls))


def open_aio_channel(target: str, tls: Tls | None = None) -> grpc.aio.Channel:
    """Open a channel for the running event loop. Without `tls` it is plain text."""
    if tls is None:
        return grpc.aio.insecure_channel(target, options=_options(tls))
    return grpc.aio.secure_channel(target, tls.credentials(), options=_options(tls))


def authorization(credential: str | None) -> Metadata:
    """Return the call metadata that carries a credential; none without one.

    Raises `InvalidArgument` for text that cannot travel in a header, so that a
    stray line break is told from a wrong key.
    """
    if not credential:
        return ()
    if not credential.isascii() or not credential.isprintable():
        raise InvalidArgument("credential must be printable ASCII", field="credential")
    return (("authorization", f"Bearer {credential}"),)


def mask(secret: str | None) -> str:
    """Return a secret for display: enough to tell two apart, not to use one.

    A minted key becomes the prefix that the protocol shows, "qlk_live_abcd…wxyz".
    """
    if not secret:
        return ""
    if len(secret) < _MASKED_CHARACTERS_MIN:
        return "…"
    # Of a URL with a short host, the last characters reach into the password before it.
    tail = secret[-_SHOWN_CHARACTERS:].rpartition("@")[2]
    if secret.startswith(_KEY_MARK) and len(secret) >= len(_KEY_MARK) + _MASKED_CHARACTERS_MIN:
        return f"{secret[: len(_KEY_MARK) + _SHOWN_CHARACTERS]}…{tail}"
    return f"…{tail}"
