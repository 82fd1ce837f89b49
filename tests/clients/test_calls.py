"""Arguments in, request out: what is sent, without sending it."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from mintgate import Hold, Internal, InvalidArgument, RateLimits, WindowCap, words
from mintgate._calls import accounts, keys, ledger, meter
from mintgate._calls.base import Call
from mintgate.v1 import keys_pb2, ledger_pb2, meter_pb2
from mintgate.v1.keys_pb2 import KeyField
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS, UnitCount

DIGEST = hashlib.sha256(b"secret").digest()


def request(call: Call[Any]) -> Any:
    return call.request


def test_mint_says_everything() -> None:
    """Every argument of `mint` is in its field of the request."""
    call = keys.mint(
        "ada",
        cap_usd="5.00",
        idempotency_key="evt_1",
        scope="master",
        expires_at_ms=9,
        external_user_id="user_1",
        metadata={"plan": "pro"},
        allowed_providers=["openai"],
        allowed_models=["gpt-*"],
        allowed_origins=["https://app.example.com"],
        allowed_cidrs=["203.0.113.0/24"],
        unbounded_output="reject",
        on_disconnect="drain",
        account_id="acc_1",
    )

    assert keys_pb2.MintRequest(
        name="ada",
        scope=keys_pb2.KEY_SCOPE_MASTER,
        cap_nano_usd=5_000_000_000,
        expires_at_ms=9,
        external_user_id="user_1",
        metadata={"plan": "pro"},
        allowed_providers=["openai"],
        allowed_models=["gpt-*"],
        allowed_origins=["https://app.example.com"],
        allowed_cidrs=["203.0.113.0/24"],
        unbounded_output=keys_pb2.UNBOUNDED_OUTPUT_REJECT,
        on_disconnect=ledger_pb2.ON_DISCONNECT_DRAIN,
        idempotency_key="evt_1",
        account_id="acc_1",
    ) == request(call)


def test_mint_without_a_cap_leaves_it_unset() -> None:
    """No cap is not a cap of nothing."""
    assert not request(keys.mint("ada")).HasField("cap_nano_usd")
    assert request(keys.mint("ada", cap_usd=0)).HasField("cap_nano_usd")


def test_mint_makes_its_own_idempotency_key() -> None:
    """A mint can always be retried: each call has a key of its own."""
    first, second = request(keys.mint("ada")), request(keys.mint("ada"))

    assert first.idempotency_key
    assert first.idempotency_key != second.idempotency_key


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"cap_usd": "5", "cap_nano_usd": 5}, "cap_usd"),
        ({"cap_usd": "five"}, "cap_usd"),
        ({"cap_nano_usd": -1}, "cap_nano_usd"),
        ({"scope": "root"}, "scope"),
        ({"allowed_models": "gpt-*"}, "allowed_models"),
        ({"allowed_origins": "https://app.example.com"}, "allowed_origins"),
        ({"on_disconnect": "stay"}, "on_disconnect"),
    ],
)
def test_mint_refuses_nonsense_before_sending(arguments: dict[str, Any], field: str) -> None:
    """What can only be a mistake is refused here, by the argument's name."""
    with pytest.raises(InvalidArgument) as refused:
        keys.mint("ada", **arguments)

    assert field == refused.value.field


@pytest.mark.parametrize("cap", [5.0, True, "5"])
def test_nano_amounts_are_whole_numbers(cap: Any) -> None:
    """An amount of nano-dollars that is no int is a mistake of type."""
    with pytest.raises(TypeError):
        keys.mint("ada", cap_nano_usd=cap)


def test_update_names_only_what_is_given() -> None:
    """The mask holds the given arguments and nothing else."""
    sent = request(keys.update("key_1", name="", status="paused", allowed_models=[]))

    assert [words.word(KeyField, field) for field in sent.fields] == [
        "name",
        "status",
        "allowed_models",
    ]
    assert keys_pb2.Key(id="key_1", status=keys_pb2.KEY_STATUS_PAUSED) == sent.key


def test_update_tells_no_cap_from_an_unchanged_one() -> None:
    """None lifts the cap; leaving it away leaves it."""
    lifted = request(keys.update("key_1", cap_usd=None))
    raised = request(keys.update("key_1", cap_usd=Decimal("0.5")))

    assert [keys_pb2.KEY_FIELD_CAP] == list(lifted.fields) == list(raised.fields)
    assert not lifted.key.HasField("cap_nano_usd")
    assert raised.key.cap_nano_usd == 500_000_000


def test_update_knows_every_field() -> None:
    """Each field of the mask can be reached by an argument."""
    sent = request(
        keys.update(
            "key_1",
            name="n",
            cap_nano_usd=1,
            status="active",
            expires_at_ms=1,
            external_user_id="u",
            metadata={"a": "b"},
            allowed_providers=["openai"],
            allowed_models=["m"],
            allowed_origins=["https://app.example.com"],
            allowed_cidrs=["203.0.113.0/24"],
            unbounded_output="fit",
            on_disconnect="abort",
            window_cap=WindowCap("week", cap_nano_usd=7, time_zone="Asia/Tokyo"),
            rate_limits=RateLimits(requests_per_minute=1, tokens_per_minute=2, open_requests=3),
        )
    )

    assert sent.key.window_cap == keys_pb2.WindowCap(
        period=keys_pb2.WINDOW_PERIOD_WEEK, time_zone="Asia/Tokyo", cap_nano_usd=7
    )
    assert sent.key.rate_limits == keys_pb2.RateLimits(
        requests_per_minute=1, tokens_per_minute=2, open_requests=3
    )
    assert set(words.words(KeyField)) == {words.word(KeyField, field) for field in sent.fields}


def test_update_of_nothing_is_refused() -> None:
    """An update without a change is a mistake."""
    with pytest.raises(InvalidArgument):
        keys.update("key_1")


def test_secrets_do_not_leave() -> None:
    """Authentication and reservation send the digest of a secret, never the secret."""
    assert request(keys.authenticate("secret")).secret_sha256 == DIGEST
    assert request(keys.authenticate()).secret_sha256 == b""
    held = ledger.reserve(provider="p", model="m", bound=ledger_pb2.Bound(), secret="secret")
    assert request(held).reserve.secret_sha256 == DIGEST


@pytest.mark.parametrize(
    "whose",
    [{}, {"secret": "s", "key_id": "k"}, {"secret": "s", "secret_sha256": DIGEST}],
)
def test_reserve_needs_one_key(whose: dict[str, Any]) -> None:
    """Whose money it is must be said, and said once."""
    with pytest.raises(InvalidArgument):
        ledger.reserve(provider="p", model="m", bound=ledger_pb2.Bound(), **whose)


def test_operations_take_a_hold_or_its_id() -> None:
    """A hold brings its id and its token along; an id alone comes with a token or without."""
    hold = Hold(b"i" * 16, 1, 2, True, b"token", ledger_pb2.ON_DISCONNECT_ABORT, 3, 4, "k", "a")

    settled = request(ledger.settle(hold, {"output_tokens": 2, UNIT_INPUT_TOKENS: 1})).settle
    assert (hold.id, hold.token) == (settled.hold_id, settled.hold_token)
    assert [
        UnitCount(unit=UNIT_INPUT_TOKENS, count=1),
        UnitCount(unit=UNIT_OUTPUT_TOKENS, count=2),
    ] == list(settled.units)
    released = request(ledger.release(b"j" * 16, hold_token=b"other")).release
    assert (released.hold_id, released.hold_token) == (b"j" * 16, b"other")
    assert request(ledger.progress(b"j" * 16)).progress.hold_token == b""
    assert repr(b"token") not in repr(hold)


def test_a_unit_is_counted_once() -> None:
    """The same unit by its word and by its number is a mistake, not a sum."""
    with pytest.raises(InvalidArgument, match="input_tokens twice"):
        ledger.settle(b"i" * 16, {"input_tokens": 1, UNIT_INPUT_TOKENS: 1})


def test_grant_needs_an_amount() -> None:
    """A grant of nothing stated is refused; its id is made when none is given."""
    with pytest.raises(InvalidArgument):
        ledger.grant("acc_1")

    sent = request(ledger.grant("acc_1", "1.5", note="paid")).grant
    assert (len(sent.grant_id), sent.amount_nano_usd, sent.note) == (16, 1_500_000_000, "paid")
    assert (
        request(ledger.grant("a", amount_nano_usd=1, grant_id=b"g" * 16)).grant.grant_id
        == b"g" * 16
    )


def test_only_a_rotation_with_grace_cannot_be_repeated() -> None:
    """What makes something has an id of its own; a grace period would go to the lost secret."""
    assert not keys.rotate("key_1", grace_ms=1).repeatable
    assert keys.rotate("key_1").repeatable
    assert accounts.create("acme", grant_usd="1").repeatable
    assert keys.mint("ada").repeatable
    assert meter.usage().repeatable


def test_an_account_has_an_idempotency_key() -> None:
    """The caller's, or one that the client makes anew for each call."""
    assert request(accounts.create("a", idempotency_key="evt_1")).idempotency_key == "evt_1"
    made = {request(accounts.create("a")).idempotency_key for _ in range(2)}
    assert len(made) == 2
    assert "" not in made


def test_a_page_leads_to_the_next() -> None:
    """A listing asks on from where the answer ended, with the same filters."""
    listing = keys.list_all(external_user_id="user_1", page_size=7)
    answer = keys_pb2.ListResponse(next_page_token="t1")

    following = listing.turn(listing.first, answer)

    assert following is not None
    assert keys_pb2.ListRequest(page_size=7, page_token="t1", external_user_id="user_1") == request(
        following
    )
    assert request(listing.first).page_token == ""
    assert listing.turn(following, keys_pb2.ListResponse()) is None


def test_a_page_that_leads_to_itself_is_a_defect() -> None:
    """A core that answers the same cursor again does not keep its client turning."""
    listing = ledger.journal(after_sequence=5)

    with pytest.raises(Internal):
        listing.turn(listing.first, ledger_pb2.ListJournalResponse(next_after_sequence=5))


def test_the_credential_is_in_no_repr() -> None:
    """A call that is logged does not tell its credential."""
    assert "qlk" not in repr(meter.usage(credential="qlk_live_x"))
    assert meter_pb2.GetUsageRequest() == request(meter.usage(credential="qlk_live_x"))
