"""How secrets look, and what follows from them."""

from __future__ import annotations

import hashlib

import pytest
from mintgate.channel import mask
from mintgate_core.secrets_of_keys import (
    SALT_BYTES,
    SECRET_PATTERN,
    derived_secret,
    digest,
    display_prefix,
    new_salt,
    new_secret,
)

SECRET = "qlk_live_" + "0123456789abcdef" * 4


def test_a_new_secret_has_the_promised_form() -> None:
    """qlk_live_ and 64 hex digits, never the same twice."""
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(SECRET_PATTERN.fullmatch(secret) for secret in made)


def test_a_derived_secret_has_the_same_form() -> None:
    """An idempotent mint's secret cannot be told from any other."""
    assert SECRET_PATTERN.fullmatch(derived_secret(SECRET, new_salt()))


def test_a_derived_secret_follows_from_its_parts_alone() -> None:
    """The same minter and salt give the same secret; either changed gives another."""
    salt = bytes(SALT_BYTES)
    same = derived_secret(SECRET, salt)
    assert derived_secret(SECRET, salt) == same
    assert derived_secret(SECRET[:-1] + "0", salt) != same
    assert derived_secret(SECRET, b"\x01" + salt[1:]) != same


def test_a_derivation_is_kept_for_good() -> None:
    """Pinned: a release that derived otherwise would answer repeats with dead secrets."""
    assert derived_secret(SECRET, bytes(SALT_BYTES)) == (
        "qlk_live_4f37e8ec649609511fe225c5f10d8eb1f85a0a9e058808175d62b8fdfed04f75"
    )


def test_a_salt_is_as_long_as_a_secret() -> None:
    """256 random bits, never the same twice."""
    salts = {new_salt() for _ in range(100)}
    assert len(salts) == 100
    assert {len(salt) for salt in salts} == {SALT_BYTES} == {32}


def test_the_digest_is_plain_sha256() -> None:
    """A facade that only knows the contract computes the same 32 bytes."""
    assert digest(SECRET) == hashlib.sha256(SECRET.encode()).digest()


def test_the_prefix_shows_four_digits_at_each_end() -> None:
    """As the contract says, and as the client masks it."""
    assert display_prefix(SECRET) == "qlk_live_0123…cdef" == mask(SECRET)


@pytest.mark.parametrize(
    "text",
    ["", SECRET[:-1], SECRET + "0", SECRET.upper(), "qlk_test_" + "0" * 64, SECRET + "\n"],
)
def test_what_only_resembles_a_secret_is_none(text: str) -> None:
    """Length, case and mark must all be right."""
    assert not SECRET_PATTERN.fullmatch(text)
