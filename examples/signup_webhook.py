"""Mint a key at signup: a webhook of an identity provider, in one file.

    export MINTGATE_KEY=qlk_live_...           # your master key
    export SIGNUP_WEBHOOK_SECRET=...           # shared with the sender
    python examples/signup_webhook.py

    curl -s localhost:8090 -H "x-webhook-secret: $SIGNUP_WEBHOOK_SECRET" \
         -d '{"id": "evt_1", "type": "user.created", "data": {"id": "user_1", "name": "Ada"}}'

Webhooks repeat exactly when the first answer was lost. The event's id is the
Idempotency-Key, so a repeat answers the same key and nobody gets two.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from mintgate import Client, InvalidArgument, Minted, MintgateError, Unavailable

CAP_USD: Final = "5.00"
BODY_BYTES_MAX: Final = 65_536
SECRET_HEADER: Final = "x-webhook-secret"  # noqa: S105  # The name of a header.
PORT: Final = 8090


@dataclass(frozen=True, slots=True)
class Signup:
    """What a "user.created" event says."""

    event_id: str
    user_id: str
    name: str


class BadEventError(ValueError):
    """The body is no event that this webhook knows; sending it again is no use."""


def parse_event(body: bytes) -> Signup | None:
    """Return the signup in a webhook's body; None for events of another type."""
    try:
        event = json.loads(body)
        if event["type"] != "user.created":
            return None
        texts = (event["id"], event["data"]["id"], event["data"].get("name") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadEventError("not a webhook event") from None
    if not all(isinstance(text, str) for text in texts) or not (texts[0] and texts[1]):
        raise BadEventError("an event needs an id and a user with an id")
    event_id, user_id, name = texts
    return Signup(event_id=event_id, user_id=user_id, name=name)


def mint_for(client: Client, signup: Signup) -> Minted:
    """Mint the user's key, once, however often the event arrives."""
    return client.keys.mint(
        signup.name or signup.user_id,
        cap_usd=CAP_USD,
        external_user_id=signup.user_id,
        idempotency_key=signup.event_id,
    )


def answer(
    client: Client,
    shared_secret: str,
    given_secret: str,
    body: bytes,
    keep: Callable[[Signup, Minted], None],
) -> tuple[HTTPStatus, dict[str, Any]]:
    """Return the status and the body for one call of the webhook.

    `keep` puts the secret where the user's own backend finds it; the webhook's
    sender has no business with it and gets the key's id only.
    """
    if not hmac.compare_digest(shared_secret.encode(), given_secret.encode()):
        return HTTPStatus.UNAUTHORIZED, {"error": "wrong webhook secret"}
    try:
        signup = parse_event(body)
        if signup is None:
            return HTTPStatus.OK, {"ignored": True}
        minted = mint_for(client, signup)
    except (BadEventError, InvalidArgument) as error:
        return HTTPStatus.BAD_REQUEST, {"error": str(error)}
    except Unavailable:
        # The sender repeats the event, and the Idempotency-Key makes that safe.
        return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "try again"}
    except MintgateError as error:
        return HTTPStatus.BAD_GATEWAY, {"error": str(error)}
    keep(signup, minted)
    return HTTPStatus.OK, {"key_id": minted.key.id, "replayed": minted.replayed}


def make_server(
    client: Client,
    shared_secret: str,
    keep: Callable[[Signup, Minted], None],
    address: tuple[str, int] = ("127.0.0.1", PORT),
) -> ThreadingHTTPServer:
    """Return the webhook's server; call `serve_forever` on it."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdigit() or int(length) > BODY_BYTES_MAX:
                self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            given_secret = self.headers.get(SECRET_HEADER, "")
            body = self.rfile.read(int(length))
            status, document = answer(client, shared_secret, given_secret, body, keep)
            text = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # Its name.
            """Stay quiet; a real service has a logger of its own."""

    return ThreadingHTTPServer(address, Handler)


def main() -> None:
    """Serve the webhook until Ctrl-C."""
    secrets_by_user: dict[str, str] = {}  # Your own database, encrypted.

    def keep(signup: Signup, minted: Minted) -> None:
        secrets_by_user[signup.user_id] = minted.secret
        print(f"{signup.user_id} has key {minted.key.id}")

    target = os.environ.get("MINTGATE_TARGET", "127.0.0.1:50051")
    with Client(target, os.environ["MINTGATE_KEY"]) as client:
        server = make_server(client, os.environ["SIGNUP_WEBHOOK_SECRET"], keep)
        print(f"waiting for signups on port {PORT}")
        server.serve_forever()


if __name__ == "__main__":
    main()
