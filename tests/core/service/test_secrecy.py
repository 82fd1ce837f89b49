"""A secret is told once, to its owner, and stands nowhere else."""

from __future__ import annotations

import logging
from pathlib import Path

import grpc
import pytest
from mintgate import Minted, MintgateError
from mintgate.v1 import keys_pb2
from mintgate_core.app import CoreOptions
from mintgate_core.bootstrap import FirstAccount
from mintgate_core.secrets_of_keys import new_secret

from tests.core.service.harness import OPERATOR, SERVICE, Rig, counts


async def live(rig: Rig, user: Minted) -> list[str]:
    """Everything that handles a secret, well and badly; returns every secret that was seen."""
    keys = rig.client().keys
    idempotent = await keys.mint("eve", idempotency_key="evt_1")
    again = await keys.mint("eve", idempotency_key="evt_1")
    rotated = await keys.rotate(idempotent.key.id)
    made = await rig.client(OPERATOR).accounts.create("other", grant_usd="1")
    unknown = new_secret()
    await rig.charge(user.secret)
    await rig.charge(user.secret, units=counts(web_searches=1))
    await rig.apply(rig.reserve(unknown), rig.reserve(again.secret))
    await keys.revoke(user.key.id)
    told = ""
    for secret in (unknown, idempotent.secret, user.secret, unknown[:-1], unknown.upper()):
        for credential in (secret, f"{secret} {secret}"):
            with pytest.raises(MintgateError) as caught:
                await rig.client(credential).keys.authenticate()
            told += repr(caught.value) + str(caught.value.__cause__)
    secrets = [rig.master, user.secret, idempotent.secret, rotated.secret, made.master_secret]
    assert not any(body(secret) in told for secret in [*secrets, unknown])
    return [*secrets, unknown]


def body(secret: str) -> str:
    """The random part."""
    return secret.removeprefix("qlk_live_")


def written(path: Path) -> bytes:
    """All bytes of a store's directory, journals included."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()) if file.is_file())


async def test_no_secret_is_kept(rig: Rig, user: Minted) -> None:
    """Neither the text nor the raw bytes of any secret or token are in the store's files."""
    secrets = await live(rig, user)
    for moment in ("running", "stopped"):
        if moment == "stopped":
            await rig.stop()
        data = written(rig.path)
        assert user.key.id.encode() in data
        for secret in (*secrets, OPERATOR, SERVICE):
            assert body(secret).encode() not in data
        for secret in secrets:
            assert bytes.fromhex(body(secret)) not in data
    await rig.start()


async def test_no_secret_is_logged(
    rig: Rig, user: Minted, caplog: pytest.LogCaptureFixture
) -> None:
    """At the most talkative level no record of any library holds a secret or a token."""
    caplog.set_level(logging.DEBUG)
    secrets = await live(rig, user)
    await rig.restart()
    text = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "is charged whole" in text
    for secret in (*secrets, OPERATOR, SERVICE):
        assert body(secret) not in text


async def test_a_hold_token_has_no_secret(rig: Rig, user: Minted) -> None:
    """What a facade carries about names the key by its id."""
    (held,) = await rig.apply(rig.reserve(user.secret))
    token = held.reserved.hold_token
    assert user.key.id.encode() in token
    for secret in (user.secret, SERVICE):
        assert body(secret).encode() not in token


def test_options_hide_their_secrets(tmp_path: Path) -> None:
    """The composition root can be printed."""
    secret = new_secret()
    options = CoreOptions(tmp_path, OPERATOR, SERVICE, first=FirstAccount(secret))
    shown = repr(options) + repr(options.first)
    for hidden in (secret, OPERATOR, SERVICE):
        assert body(hidden) not in shown


async def test_a_core_hides_the_key_that_it_made(rig: Rig) -> None:
    """The running core's repr does not show the generated master key."""
    assert rig.master == rig.core.generated_master_key
    assert body(rig.master) not in repr(rig.core)


async def test_a_refused_credential_is_not_repeated(rig: Rig) -> None:
    """What was shown and refused is in neither text nor trailers of the refusal."""
    shown = "Bearer hunter2-hunter2"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rig.keys.Authenticate(
            keys_pb2.AuthenticateRequest(), metadata=(("authorization", shown),)
        )
    assert "hunter2" not in repr(caught.value) + str(caught.value.trailing_metadata())
