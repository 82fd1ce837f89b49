"""Google's resumable uploads: one request to begin, then others to an address that it answers.

The address is a capability: the SDK sends the bytes there without any key
(google/genai/_api_client.py, `_upload_fd`), and to the host that it names. So the
gateway answers an address of its own, which names the key that began the upload
and is sealed with a code that only facades of this installation can make. A key
that was revoked meanwhile uploads nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

from mintgate_facade.dialects.base import Failure, FailureKind, ObjectName, RefusedRequest
from mintgate_facade.relay.credentials import read_credentials
from mintgate_facade.relay.exchange import Exchange, admit, admit_sealed, is_upload
from mintgate_facade.relay.failures import NO_ROOM
from mintgate_facade.relay.pass_through import is_success, pass_through
from mintgate_facade.relay.short_answer import parsed_answer, whole_answer
from mintgate_facade.uploads.again import pieces_of

if TYPE_CHECKING:
    from mintgate_facade.relay.core_calls import CoreCalls
    from mintgate_facade.relay.exchange import Admitted
    from mintgate_facade.relay.objects import Objects
    from mintgate_facade.relay.targets import Targets
    from mintgate_facade.uploads.receive import Uploads
    from mintgate_facade.upstream import Answer

KEPT_MS = 48 * 3_600_000
"""Google deletes files after 48 hours."""

_ADDRESS = b"x-goog-upload-url"
_CONTROL = b"x-goog-upload-control-url"
_COMMAND = "x-goog-upload-command"
_OFFSET = "x-goog-upload-offset"
_SEPARATOR = "."
_NAMES = "files/"
_NOT_OURS = Failure(
    FailureKind.UNAUTHENTICATED,
    "This upload was not begun through this gateway, or its address was changed.",
)


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes and opens the ids of uploads."""

    secret: bytes

    @classmethod
    def of(cls, service_token: str) -> Seal:
        """The seal of every facade with this token."""
        return cls(hashlib.sha256(b"mintgate upload " + service_token.encode()).digest())

    def close(self, key_id: str, upload_id: str) -> str:
        """Name the key in the id of an upload."""
        return _SEPARATOR.join((self._code(key_id, upload_id), key_id, upload_id))

    def open(self, sealed: str) -> tuple[str, str]:
        """The key's id and the upload's own. Raises `RefusedRequest` (401)."""
        code, _, rest = sealed.partition(_SEPARATOR)
        key_id, _, upload_id = rest.partition(_SEPARATOR)
        if not hmac.compare_digest(code.encode(), self._code(key_id, upload_id).encode()):
            raise RefusedRequest(_NOT_OURS)
        return key_id, upload_id

    def _code(self, key_id: str, upload_id: str) -> str:
        text = f"{key_id}{_SEPARATOR}{upload_id}".encode()
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Resumable:
    """What such uploads share."""

    objects: Objects
    core: CoreCalls
    targets: Targets
    uploads: Uploads
    seal: Seal
    public_url: str
    """Where the bytes are to be sent; empty: where the first request came to."""

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request of an upload. Raises `RefusedRequest` and `AnswerAborted`."""
        query = parse_qs(exchange.scope["query_string"].decode("latin-1"))
        sealed = query.get("upload_id", [""])[0]
        if sealed:
            await self._go_on(exchange, *self.seal.open(sealed))
        else:
            await self._begin(exchange)

    async def _begin(self, exchange: Exchange) -> None:
        if is_upload(exchange):
            # Whose request it is comes first, as everywhere.
            read_credentials(exchange.scope["headers"], exchange.scope["query_string"])
            raise RefusedRequest(
                Failure(
                    FailureKind.BAD_REQUEST,
                    "Begin with a JSON description and x-goog-upload-command: start, then send the "
                    "bytes to the address in x-goog-upload-url.",
                )
            )
        admitted = await admit(exchange, self.core, json_only=True)
        found = await self.objects.find(
            admitted.secret_sha256, exchange.caller, exchange.target.slug
        )
        exchange.key_id = found.key_id
        if found.room < 1:
            raise RefusedRequest(NO_ROOM)
        response = await self.targets.open(exchange, admitted, admitted.view.body)
        try:
            if not is_success(response.status):
                await pass_through(exchange, response)
                return
            headers = self._readdressed(exchange, response, found.key_id)
            await exchange.send_whole(response.status, headers, await whole_answer(response))
        finally:
            response.close()

    async def _go_on(self, exchange: Exchange, key_id: str, upload_id: str) -> None:
        query = urlencode({"upload_id": upload_id, "upload_protocol": "resumable"}).encode()
        slug = exchange.target.slug
        async with admit_sealed(exchange, self.uploads, query) as admitted:
            await self.objects.in_force(key_id, exchange.caller, slug)
            exchange.key_id = key_id
            note = await _note(exchange, admitted)
            response = await self.targets.open(exchange, admitted, b"")
            try:
                await self._relay(exchange, response, key_id, note)
            finally:
                response.close()

    async def _relay(self, exchange: Exchange, response: Answer, key_id: str, note: str) -> None:
        final = response.headers.get("x-goog-upload-status") == "final"
        if not (final and is_success(response.status)):
            await pass_through(exchange, response)
            return
        body = await whole_answer(response)
        file = parsed_answer(body).get("file")
        name = file.get("name") if isinstance(file, dict) else None
        if isinstance(name, str) and name.startswith(_NAMES):
            made = ObjectName(exchange.route.kind, name.removeprefix(_NAMES))
            # Only then does anybody learn its name.
            await self.objects.record(key_id, exchange.target.slug, made, note=note, ttl_ms=KEPT_MS)
        await exchange.send_whole(response.status, exchange.relayed(response.raw_headers), body)

    def _readdressed(
        self, exchange: Exchange, response: Answer, key_id: str
    ) -> list[tuple[bytes, bytes]]:
        """The answer's headers, with the gateway's address in place of the provider's."""
        headers: list[tuple[bytes, bytes]] = []
        for name, value in exchange.relayed(response.raw_headers):
            if name == _ADDRESS:
                query = parse_qs(urlsplit(value.decode("latin-1")).query)
                upload_id = self.seal.close(key_id, query.get("upload_id", [""])[0])
                own = urlencode({"upload_id": upload_id, "upload_protocol": "resumable"})
                headers.append((name, f"{self._own_address(exchange)}?{own}".encode()))
            elif name != _CONTROL:
                headers.append((name, value))
        return headers

    def _own_address(self, exchange: Exchange) -> str:
        # Without a provider's prefix: SDKs keep the path and may put their own host before it.
        if self.public_url:
            return self.public_url + exchange.match.upstream_path
        host = next((v for n, v in exchange.scope["headers"] if n == b"host"), b"")
        scheme = exchange.scope.get("scheme", "http")
        return f"{scheme}://{host.decode('latin-1')}{exchange.match.upstream_path}"


async def _note(exchange: Exchange, admitted: Admitted) -> str:
    """What is kept with a file that comes in one piece, for the requests that will use it."""
    headers, upload = admitted.view.headers, admitted.upload
    whole = "finalize" in headers.get(_COMMAND, "") and headers.get(_OFFSET, "0") == "0"
    reader = exchange.route.reads({}) if whole and exchange.route.reads is not None else None
    if reader is None or upload is None:
        return ""
    async for data in pieces_of(upload):
        reader.feed(data)
    return reader.note()
