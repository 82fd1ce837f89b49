"""The raw ASGI app: reads a request, records it, asks the provider's twin, delivers the answer.

``/{provider}/...`` goes to a twin; ``/_sim/...`` shows the record. There is no framework in
between, because this is also the upstream of the benchmarks and must cost little beside what it
measures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from .answer import TRANSPORT, Delivery, Whole
from .anthropic import AnthropicTwin
from .anthropic import wire as anthropic_wire
from .anthropic.batches import Batches as MessageBatches
from .control import HEADER, Fault, parse
from .credentials import REJECTED_KEY, carries_minted_key
from .dashscope import dashscope_twin
from .deepgram import DeepgramTwin
from .elevenlabs import ElevenLabsTwin
from .gemini import GeminiTwin
from .gemini.files import KeepingGemini
from .openai import OpenAITwin
from .openai.batches import Batches
from .openai.conversations import Conversations
from .openai.files import OPENAI_FILES
from .openai.stored_chats import StoredChats
from .openai.uploads import Uploads
from .record import Record, Recorder
from .refusal import Refusal
from .request import Request
from .stored import FileShape, Keeping, anthropic_file
from .vendors import vendor_twins

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .answer import Answer, Receive, Send
    from .twin import Twin

    Scope = Mapping[str, Any]

_JSON = [(b"content-type", b"application/json")]
_BINARY = b"application/octet-stream"
_ANTHROPIC_FILES = FileShape(
    prefix="file_",
    describe=anthropic_file,
    deleted=lambda file_id: {"id": file_id, "type": "file_deleted"},
    whole=anthropic_wire.whole,
    binary=lambda request, content: Whole(200, anthropic_wire.headers(request, _BINARY), content),
    cursor="after_id",
)


def create_app() -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI app with a twin of every provider and an empty record."""
    openai = Keeping(OpenAITwin(), OPENAI_FILES, keeps_responses=True, batches=Batches)
    twins: dict[str, Twin] = {
        "openai": StoredChats(Conversations(Uploads(openai, openai))),
        "anthropic": Keeping(
            AnthropicTwin(),
            _ANTHROPIC_FILES,
            batches=MessageBatches,
            batches_at=("v1", "messages", "batches"),
        ),
        "gemini": KeepingGemini(GeminiTwin()),
        "dashscope": dashscope_twin(),
        "elevenlabs": ElevenLabsTwin(),
        "deepgram": DeepgramTwin(),
    }
    vendors = vendor_twins()
    vendors["xai"] = Keeping(vendors["xai"], OPENAI_FILES, keeps_responses=True)
    return Simulator({**twins, **vendors})


class Simulator:
    """The ASGI app. ``twins`` maps the first path segment to the provider answering under it."""

    def __init__(self, twins: Mapping[str, Twin]) -> None:
        self._twins = dict(twins)
        self._recorder = Recorder()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; other kinds of connection are turned away."""
        if scope["type"] == "lifespan":
            await _acknowledge_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"].startswith("/_sim/"):
            await _send_whole(send, self._inspect(scope))
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        path: str = scope["path"]
        query = scope["query_string"].decode("latin-1")
        record = self._recorder.begin(scope["method"], path, query, scope["headers"], body)
        _, _, rest = path.partition("/")
        name, slash, rest = rest.partition("/")
        request = Request(
            number=record.number,
            method=scope["method"],
            path=slash + rest,
            query=query,
            headers=record.headers,
            body=body,
        )
        twin = self._twins.get(name)
        if twin is None:
            known = ", ".join(f"/{twin}" for twin in self._twins)
            answer: Answer = _error(404, f"no simulated provider under this path; have {known}")
        else:
            answer = self._answer(twin, request, record)
        delivery = Delivery(
            receive=receive,
            send=send,
            transport=scope.get("extensions", {}).get(TRANSPORT, {}).get("transport"),
            record=record,
            controls=request.controls,
        )
        try:
            await delivery.deliver(answer)
        finally:
            self._recorder.finish(record)

    def _answer(self, twin: Twin, request: Request, record: Record) -> Answer:
        """The twin's answer, or its refusal."""
        try:
            return self._ask(twin, request, record)
        except Refusal as refusal:
            if request.controls.fault is Fault.ERROR:
                # The error status is the fault; it is not broken off as well.
                request.controls = replace(request.controls, fault=None)
            return twin.refuse(request, refusal)

    def _ask(self, twin: Twin, request: Request, record: Record) -> Answer:
        """Check the credential first, then the controls, then the request itself."""
        self._check_credential(twin, request, record)
        header = request.header(HEADER)
        if header is None:
            return twin.respond(request)
        controls = request.controls = parse(header)
        if controls.status is not None:
            raise Refusal(
                controls.status,
                "This error was asked for with the x-simulate header.",
                retry_after_s=controls.retry_after,
            )
        answer = twin.respond(request)
        if controls.fault is Fault.ERROR and isinstance(answer, Whole):
            raise Refusal(500, "The simulated provider failed.")
        return answer

    def _check_credential(self, twin: Twin, request: Request, record: Record) -> None:
        if carries_minted_key(request):
            record.leaked_minted_key = True
            self._recorder.minted_key_leaks += 1
            raise twin.wrong_credential()
        credential = twin.credential(request)
        if credential is None:
            raise twin.missing_credential()
        if credential == REJECTED_KEY:
            raise twin.wrong_credential()

    def _inspect(self, scope: Scope) -> Whole:
        """The ``/_sim`` routes."""
        method, path = scope["method"], scope["path"].removeprefix("/_sim")
        recorder = self._recorder
        if (method, path) == ("GET", "/requests"):
            since = parse_qs(scope["query_string"].decode("latin-1")).get("since", ["0"])[0]
            if not since.isdecimal():
                return _error(400, "since must be a whole number")
            records = [record.as_json() for record in recorder.since(int(since))]
            return Whole(200, _JSON, orjson.dumps(records))
        if (method, path) == ("DELETE", "/requests"):
            recorder.clear()
            return Whole(200, _JSON, b"{}")
        if (method, path) == ("GET", "/stats"):
            stats = {
                "requests": recorder.requests,
                "minted_key_leaks": recorder.minted_key_leaks,
            }
            return Whole(200, _JSON, orjson.dumps(stats))
        number = path.removeprefix("/answers/")
        if method == "GET" and path.startswith("/answers/") and number.isdecimal():
            record = recorder.find(int(number))
            body = None if record is None else record.sent.bytes_if_kept()
            if body is None:
                return _error(404, "no kept answer of that number")
            return Whole(200, [(b"content-type", b"application/octet-stream")], body)
        return _error(404, "unknown path under /_sim")


async def _read_body(receive: Receive) -> bytes | None:
    """The whole request body; ``None`` when the client left before sending it all."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        return bytes(message.get("body", b""))
    pieces: list[bytes] = []
    while message["type"] == "http.request":
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()
    return None


async def _send_whole(send: Send, answer: Whole) -> None:
    length = (b"content-length", str(len(answer.body)).encode())
    headers = [*answer.headers, length]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _acknowledge_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _error(status: int, message: str) -> Whole:
    return Whole(status, _JSON, orjson.dumps({"error": message}))
