"""`GET /v1/user` and `/v1/user/subscription`: what many apps ask first, told of the key alone.

The operator's own account is nobody else's business. A key's cap and what it has spent
stand where the account's credits would (elevenlabs/types/subscription.py, user.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from mintgate.v1.keys_pb2 import Key

NANO_USD_PER_CREDIT = 100_000
"""0.10 USD for a thousand characters of one credit each."""
UNLIMITED_CREDITS = 2**31 - 1
"""Told of a key without a cap of its own: only the wallet limits it."""
_MS_PER_S = 1_000


def user_body(key: Key) -> bytes:
    """Build the answer that tells who the caller is."""
    return orjson.dumps(
        {
            "user_id": key.id,
            "workspace_id": key.account_id,
            "subscription": _subscription(key),
            "is_new_user": False,
            "can_use_delayed_payment_methods": False,
            "is_onboarding_completed": True,
            "is_onboarding_checklist_completed": True,
            "first_name": key.name,
            "xi_api_key_preview": key.prefix,
            "is_api_key_hashed": True,
            "created_at": key.created_at_ms // _MS_PER_S,
            "seat_type": "workspace_member",
        }
    )


def subscription_body(key: Key) -> bytes:
    """Build the answer that tells how much is left."""
    return orjson.dumps({**_subscription(key), "open_invoices": [], "has_open_invoices": False})


def _subscription(key: Key) -> dict[str, object]:
    # Rounded so that nobody is told of more than there is.
    used = -(-(key.spent_nano_usd + key.held_nano_usd) // NANO_USD_PER_CREDIT)
    limit = UNLIMITED_CREDITS
    if key.HasField("cap_nano_usd"):
        limit = key.cap_nano_usd // NANO_USD_PER_CREDIT
    return {
        "tier": "gateway",
        "character_count": used,
        "character_limit": limit,
        "max_credit_limit_extension": 0,
        "can_extend_character_limit": False,
        "allowed_to_extend_character_limit": False,
        "next_character_count_reset_unix": None,
        "voice_slots_used": 0,
        "professional_voice_slots_used": 0,
        "professional_voice_slots_used_in_workspace": 0,
        "voice_limit": 0,
        "voice_add_edit_counter": 0,
        "professional_voice_limit": 0,
        "can_extend_voice_limit": False,
        "can_use_instant_voice_cloning": False,
        "can_use_professional_voice_cloning": False,
        "currency": "usd",
        "current_overage": {"amount": "0", "currency": "usd"},
        "status": "active",
    }
