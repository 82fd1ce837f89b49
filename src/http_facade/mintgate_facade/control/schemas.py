"""What control answers look like: the source of the OpenAPI document, checked by the tests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from mintgate_facade.control.models import Strict


class ErrorBody(Strict):
    """`param` is there when one field or parameter is at fault."""

    type: str
    message: str
    code: str
    param: str = ""


class ErrorAnswer(Strict):
    """Every failure."""

    error: ErrorBody


class Spend(Strict):
    """How far a key is from its cap. Micro-USD are rounded, nano-USD exact; null: uncapped."""

    spent_micros: int
    spent_nanos: int
    held_micros: int
    held_nanos: int
    max_spend_micros: int | None
    max_spend_nanos: int | None
    remaining_micros: int | None
    remaining_nanos: int | None


class WindowCapAnswer(Spend):
    """The cap by calendar and how far the present window is from it."""

    period: Literal["day", "week", "month"]
    time_zone: str
    max_spend_usd: float
    start_ms: int
    end_ms: int


class RateLimitsAnswer(Strict):
    """Limits of a key; null: none."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    open_requests: int | None


class KeyAnswer(Spend):
    """A key. Times are milliseconds since 1970."""

    id: str
    name: str
    prefix: str
    scope: Literal["standard", "master"]
    status: Literal["active", "paused", "revoked"]
    revoked: bool
    max_spend_usd: float | None
    window_cap: WindowCapAnswer | None
    rate_limits: RateLimitsAnswer
    previous_secret_until: int | None
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None
    external_user_id: str | None
    metadata: dict[str, str]
    allowed_providers: list[str]
    allowed_models: list[str]
    allowed_origins: list[str]
    allowed_cidrs: list[str]
    unbounded_output: Literal["fit", "reject"]
    on_disconnect: Literal["abort", "drain"]


class RotatedKey(KeyAnswer):
    """A key with its new secret."""

    secret: str


class MintedKey(RotatedKey):
    """A key with its secret; `replayed` when an earlier answer is repeated."""

    replayed: bool


class KeyListAnswer(Strict):
    """A page of keys; `next_cursor` is null on the last one."""

    keys: list[KeyAnswer]
    next_cursor: str | None


class DeletedAnswer(Strict):
    """The key is gone."""

    ok: Literal[True]


class Totals(Strict):
    """Sums over charges."""

    cost_micros: int
    cost_nanos: int
    absorbed_nanos: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    request_count: int


class ModelTotals(Totals):
    """Sums of one model."""

    model_slug: str
    provider_slug: str
    avg_latency_ms: int


class KeyTotals(Totals):
    """Sums of one key."""

    key_id: str
    name: str
    key_name: str
    key_prefix: str
    external_user_id: str | None
    by_model: list[ModelTotals]


class UsageAnswer(Strict):
    """Sums of an account over a window."""

    from_ms: int
    to_ms: int
    total_cost_micros: int
    total_cost_nanos: int
    total_absorbed_nanos: int
    total_input_tokens: int
    total_output_tokens: int
    total_cache_read_tokens: int
    total_cache_write_tokens: int
    request_count: int
    by_key: list[KeyTotals]
    by_model: list[ModelTotals]


class EventAnswer(Strict):
    """One charge. The sum of units times unit prices, rounded up once, is `actual_nanos`."""

    id: str
    sequence: int
    key_id: str
    model_slug: str
    requested_model: str
    provider_slug: str
    route: str
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    units: dict[str, int]
    unit_prices_pico_usd: dict[str, int]
    price_version: str
    variants: list[str]
    cost_micros: int
    cost_nanos: int
    actual_nanos: int
    absorbed_nanos: int
    held_nanos: int
    prior_nanos: int
    overrun: bool
    late: bool
    settled_by: str
    status: str
    http_status: int
    latency_ms: int
    first_byte_ms: int
    request_id: str
    provider_request_id: str
    created_at: int


class KeyUsageAnswer(Spend):
    """A key's way to its cap, and a page of its charges."""

    key_id: str
    key_name: str
    key_prefix: str
    events: list[EventAnswer]
    next_cursor: int | None


class BalanceAnswer(Strict):
    """A wallet. A postpaid one has no ceiling, and its balance is 0."""

    balance_micros: int
    balance_nanos: int
    balance_usd: float
    held_micros: int
    held_nanos: int
    available_micros: int
    available_nanos: int
    spent_micros: int
    spent_nanos: int
    postpaid: bool


class UnitPriceAnswer(Strict):
    """The price of one unit, exactly, and of a million."""

    pico_usd: int
    usd_per_million: float


class TierAnswer(Strict):
    """Prices of the whole request above a number of input tokens."""

    above_input_tokens: int
    units: dict[str, UnitPriceAnswer]


class RatesAnswer(Strict):
    """Prices of one variant; null is the standard one."""

    variant: str | None
    units: dict[str, UnitPriceAnswer]
    tiers: list[TierAnswer]


class ModelAnswer(Strict):
    """One model and its prices."""

    slug: str
    provider: str
    context_window: int | None
    max_output_tokens: int | None
    prices: list[RatesAnswer]
    multipliers_permille: dict[str, int]
    price_version: str
    effective_at: int | None
    source: str


class CatalogAnswer(Strict):
    """All models with a price."""

    providers: list[str]
    models: list[ModelAnswer]
    generated_at: int


class AccountAnswer(Strict):
    """An account."""

    id: str
    name: str
    postpaid: bool
    created_at: int


class MadeAccount(AccountAnswer):
    """An account with its first master key; `replayed` when an earlier answer is repeated."""

    master_key: RotatedKey
    replayed: bool


class AccountListAnswer(Strict):
    """A page of accounts."""

    accounts: list[AccountAnswer]
    next_cursor: str | None


class HoldAnswer(Strict):
    """An open hold: money that a running request may still cost."""

    id: str
    key_id: str
    provider: str
    model: str
    request_id: str
    amount_micros: int
    amount_nanos: int
    metered_micros: int
    metered_nanos: int
    reserved_at: int
    expires_at: int
    job: bool
    """It belongs to a job of the provider, whose deadline is `expires_at`."""


class HoldListAnswer(Strict):
    """The account's open holds, oldest first."""

    holds: list[HoldAnswer]


class HealthAnswer(Strict):
    """`missing` says why not."""

    status: Literal["ok", "ready", "unavailable"]
    missing: str = ""


def answers(status: int, model: type[BaseModel]) -> dict[int | str, Any]:
    """A route's answers for the OpenAPI document."""
    return {
        status: {"model": model, "description": _summary(model)},
        "4XX": {"model": ErrorAnswer, "description": "Refused; the message says what to change."},
        "5XX": {"model": ErrorAnswer, "description": "Not now."},
    }


def body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """A route's JSON body, which it reads itself so that numbers stay exact."""
    return {
        "requestBody": {
            "required": required,
            "content": {"application/json": {"schema": model.model_json_schema()}},
        }
    }


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]
