from __future__ import annotations

from pathlib import Path

import pytest
from mintgate import InvalidArgument, Tls
from mintgate.channel import authorization, mask, open_channel

KEY = "qlk_live_" + "0123456789abcdef" * 4


def test_credential_travels_as_bearer() -> None:
    """A credential is the call's authorization metadata; without one there is none."""
    assert (("authorization", f"Bearer {KEY}"),) == authorization(KEY)
    assert authorization(None) == ()
    assert authorization("") == ()


@pytest.mark.parametrize("credential", ["qlk_live_\n", "schlüssel", "a\0b"])
def test_credential_that_no_header_carries_is_refused(credential: str) -> None:
    """A stray line break is told apart from a wrong key, without showing the key."""
    with pytest.raises(InvalidArgument) as refused:
        authorization(credential)

    assert credential not in str(refused.value)


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (KEY, "qlk_live_0123…cdef"),
        ("sk-proj-0123456789abcdef", "…cdef"),
        ("short", "…"),
        ("", ""),
        (None, ""),
        ("redis://:secret-word@h", "…h"),
    ],
)
def test_mask_shows_enough_to_tell_apart(secret: str | None, shown: str) -> None:
    """A secret's display is its protocol prefix or its last four characters."""
    assert shown == mask(secret)


def test_tls_is_not_half_specified() -> None:
    """A client certificate without its key is refused, and the other way round."""
    with pytest.raises(InvalidArgument):
        Tls(client_certificate=b"pem")
    with pytest.raises(InvalidArgument):
        Tls(client_key=b"pem")


def test_tls_hides_the_key() -> None:
    """The private key is in no repr."""
    assert "private" not in repr(Tls(client_certificate=b"public", client_key=b"private"))


def test_tls_reads_files(tmp_path: Path) -> None:
    """A certificate may be named by its path; a missing file is an error at once."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(b"-----BEGIN CERTIFICATE-----")

    open_channel("localhost:1", Tls(root_certificates=roots, server_name="core")).close()

    with pytest.raises(FileNotFoundError):
        open_channel("localhost:1", Tls(root_certificates=tmp_path / "none.pem"))
