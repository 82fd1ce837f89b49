"""Hold tokens: what a caller carries so that a charge survives the loss of its hold.

A token says whose money the hold drew on, how much, and at which price version.
It is signed, so that nobody can make one that draws on another's lines; all
cores of an installation share the signing key.
"""

from __future__ import annotations

import hashlib
import hmac

import orjson

from mintgate_core.ledger.errors import Invalid
from mintgate_core.ledger.operations import HoldToken
from mintgate_core.ledger.types import Subject

SIGNATURE_BYTES = 16
"""128 bits: forging takes 2^127 calls on average."""

_LABEL = b"mintgate hold token v1"


class TokenSigner:
    """Makes and reads tokens."""

    def __init__(self, service_token: str) -> None:
        key = hmac.new(service_token.encode(), _LABEL, hashlib.sha256).digest()
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)
        """Copied for each signature: to set the key anew would take as long again."""

    def encode(self, token: HoldToken) -> bytes:
        """Signature, then the fields in order."""
        subject = token.subject
        payload = orjson.dumps(
            [
                token.hold_id.hex(),
                token.wallet_id,
                token.line_ids,
                token.amount_nano_usd,
                subject.key_id,
                subject.account_id,
                subject.provider,
                subject.model,
                subject.route,
                subject.request_id,
                subject.price_version,
            ]
        )
        return self._sign(payload) + payload

    def decode(self, data: bytes, hold_id: bytes) -> HoldToken:
        """Read a token. Raises `Invalid` unless it is ours and of this hold."""
        signature, payload = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(payload)):
            raise Invalid("this is not a hold token of this gateway", field="hold_token")
        token_hold_id, wallet_id, line_ids, amount, *subject = orjson.loads(payload)
        if token_hold_id != hold_id.hex():
            raise Invalid("this token is of another hold", field="hold_token")
        return HoldToken(hold_id, wallet_id, tuple(line_ids), amount, Subject(*subject))

    def _sign(self, payload: bytes) -> bytes:
        signature = self._keyed.copy()
        signature.update(payload)
        return signature.digest()[:SIGNATURE_BYTES]
