"""The connection pool to the providers: one aiohttp session a worker."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

import aiohttp
import yarl

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTIONS_MAX = 8_192
"""Open connections of one worker, all providers together."""
CONNECTIONS_PER_HOST_MAX = 4_096
CONNECT_WAIT_S = 10.0
"""For a free place in the pool, the name, the TCP and the TLS handshake together."""
READ_WAIT_S = 600.0
"""Between two reads of an answer, and for its first byte: reasoning models may think that long."""
KEEPALIVE_S = 15.0
READ_BUFFER_BYTES = 64 << 10
_DIRECT_BODY_BYTES_MAX = 1 << 20
_AUTO_HEADERS = frozenset({"User-Agent", "Accept", "Accept-Encoding"})

BROKEN = (aiohttp.ClientError, TimeoutError, ConnectionError)
"""What reading an answer raises when the provider breaks it off."""


class Upstream:
    """Sends requests to providers. No cookies, no redirects, no decoding, no retry."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Make the pool; must be called on the running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX,
                limit_per_host=CONNECTIONS_PER_HOST_MAX,
                keepalive_timeout=KEEPALIVE_S,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_AUTO_HEADERS,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_WAIT_S, sock_read=READ_WAIT_S
            ),
            read_bufsize=READ_BUFFER_BYTES,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | IO[bytes]
    ) -> aiohttp.ClientResponse:
        """Send a request and wait for the status and headers of its answer.

        Raises `RefusedRequest` (502, 504) when the provider cannot be reached
        or does not answer in time.
        """
        if self._session is None:
            raise RuntimeError("the upstream pool was not started")
        try:
            return await self._session.request(
                method,
                yarl.URL(url, encoded=True),
                data=_payload(body),
                headers=headers,
                allow_redirects=False,
            )
        except TimeoutError:
            raise RefusedRequest(
                Failure(FailureKind.UPSTREAM_TIMEOUT, "The provider did not answer in time.")
            ) from None
        except (aiohttp.ClientError, OSError) as failure:
            raise RefusedRequest(
                Failure(
                    FailureKind.UPSTREAM_FAILED,
                    f"The provider could not be reached ({type(failure).__name__}).",
                )
            ) from None


def _payload(body: bytes | IO[bytes]) -> bytes | IO[bytes] | None:
    if not isinstance(body, bytes):
        return body
    # aiohttp writes a large bytes object in one go, which stalls the loop; a file it
    # reads piece by piece.
    if len(body) > _DIRECT_BODY_BYTES_MAX:
        return io.BytesIO(body)
    return body or None
