"""Tokens: whole on the way back, and nobody else's to make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate import new_id
from mintgate_core.ledger.errors import Invalid
from mintgate_core.ledger.operations import HoldToken
from mintgate_core.ledger.types import Subject
from mintgate_core.service.hold_token import SIGNATURE_BYTES, TokenSigner

SIGNER = TokenSigner("a service token")

names = st.text(max_size=40)
numbers = st.integers(min_value=0, max_value=2**62)
tokens = st.builds(
    HoldToken,
    hold_id=st.binary(min_size=16, max_size=16),
    wallet_id=numbers,
    line_ids=st.lists(numbers, max_size=3).map(tuple),
    amount_nano_usd=numbers,
    subject=st.builds(Subject, names, names, names, names, names, names, names),
)


@given(tokens)
def test_a_token_comes_back_whole(token: HoldToken) -> None:
    """Whatever names and numbers it holds, decoding an encoded token gives it back."""
    assert SIGNER.decode(SIGNER.encode(token), token.hold_id) == token


@given(tokens, st.data())
def test_a_changed_token_is_refused(token: HoldToken, data: st.DataObject) -> None:
    """No bit of it can be turned, and no byte left out or added at its end."""
    encoded = SIGNER.encode(token)
    place = data.draw(st.integers(min_value=0, max_value=len(encoded) * 8 - 1))
    turned = bytearray(encoded)
    turned[place // 8] ^= 1 << place % 8
    for forged in (bytes(turned), encoded[:-1], encoded + b"]", encoded[1:]):
        with pytest.raises(Invalid) as caught:
            SIGNER.decode(forged, token.hold_id)
        assert caught.value.field == "hold_token"


@given(tokens, st.text(min_size=1))
def test_another_installations_token_is_refused(token: HoldToken, service_token: str) -> None:
    """Signed under another service token it is nothing."""
    other = TokenSigner(service_token)
    if service_token == "a service token":
        return
    with pytest.raises(Invalid, match="not a hold token of this gateway"):
        SIGNER.decode(other.encode(token), token.hold_id)


@given(tokens)
def test_a_token_is_of_one_hold(token: HoldToken) -> None:
    """Shown for another hold, a good token is refused."""
    with pytest.raises(Invalid, match="of another hold"):
        SIGNER.decode(SIGNER.encode(token), new_id())


@pytest.mark.parametrize("data", [b"", b"x", bytes(SIGNATURE_BYTES), b"[]" * 50])
def test_noise_is_no_token(data: bytes) -> None:
    """Bytes that never were a token are refused, not tripped over."""
    with pytest.raises(Invalid):
        SIGNER.decode(data, new_id())


def test_every_core_of_an_installation_signs_alike() -> None:
    """Two cores with one service token accept each other's tokens."""
    token = HoldToken(new_id(), 1, (2,), 3, Subject("k", "a", "p", "m", "r", "q", "v"))
    again = TokenSigner("a service token")
    assert again.encode(token) == SIGNER.encode(token)
