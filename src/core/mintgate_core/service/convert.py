"""From the ledger's values to messages."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate.v1 import keys_pb2, ledger_pb2, meter_pb2, unit_pb2

from mintgate_core.ledger.types import (
    Account,
    ChargeDetail,
    Entry,
    Hold,
    HoldJob,
    Key,
    Line,
    Measured,
)
from mintgate_core.ledger.windows import current_window, window_bounds
from mintgate_core.pricing import RateCard, Unit
from mintgate_core.stores.base import Usage


def key(value: Key, lines: Mapping[int, Line], now_ms: int, last_used_ms: int = 0) -> keys_pb2.Key:
    """A key with the state of its cap lines."""
    line = lines.get(value.line_ids[0])
    message = keys_pb2.Key(
        id=value.key_id,
        account_id=value.account_id,
        name=value.name,
        prefix=value.prefix,
        scope=keys_pb2.KeyScope.ValueType(value.scope),
        status=keys_pb2.KeyStatus.ValueType(value.status),
        spent_nano_usd=line.spent if line else 0,
        held_nano_usd=line.held if line else 0,
        expires_at_ms=value.expires_at_ms,
        created_at_ms=value.created_at_ms,
        last_used_at_ms=last_used_ms,
        revoked_at_ms=value.revoked_at_ms,
        external_user_id=value.external_user_id,
        metadata=value.metadata,
        allowed_providers=value.allowed_providers,
        allowed_models=value.allowed_models,
        allowed_origins=value.allowed_origins,
        allowed_cidrs=value.allowed_cidrs,
        unbounded_output=keys_pb2.UnboundedOutput.ValueType(value.unbounded_output),
        on_disconnect=ledger_pb2.OnDisconnect.ValueType(value.on_disconnect),
        window_cap=_window_cap(value, lines, now_ms),
    )
    if value.cap_nano_usd is not None:
        message.cap_nano_usd = value.cap_nano_usd
    if value.rate_limits.any:
        message.rate_limits.requests_per_minute = value.rate_limits.requests_per_minute
        message.rate_limits.tokens_per_minute = value.rate_limits.tokens_per_minute
        message.rate_limits.open_requests = value.rate_limits.open_requests
    if value.previous_secret_until_ms > now_ms:
        message.previous_secret_until_ms = value.previous_secret_until_ms
    return message


def _window_cap(key: Key, lines: Mapping[int, Line], now_ms: int) -> keys_pb2.WindowCap | None:
    """The cap by calendar and the present window, in which perhaps nothing happened yet."""
    cap = key.window_cap
    if cap is None:
        return None
    window = current_window(key, now_ms)
    if window is None:
        start_ms, end_ms = window_bounds(cap.period, cap.zone, now_ms)
        line = None
    else:
        start_ms, end_ms, line = window.start_ms, window.end_ms, lines.get(window.line_id)
    return keys_pb2.WindowCap(
        period=keys_pb2.WindowPeriod.ValueType(cap.period),
        time_zone=cap.zone,
        cap_nano_usd=cap.cap_nano_usd,
        start_ms=start_ms,
        end_ms=end_ms,
        spent_nano_usd=line.spent if line else 0,
        held_nano_usd=line.held if line else 0,
    )


def account(value: Account) -> keys_pb2.Account:
    """An account."""
    return keys_pb2.Account(
        id=value.account_id,
        name=value.name,
        postpaid=value.postpaid,
        created_at_ms=value.created_at_ms,
    )


def entry(value: Entry) -> ledger_pb2.JournalEntry:
    """A journal entry."""
    return ledger_pb2.JournalEntry(
        operation_id=value.operation_id,
        kind=ledger_pb2.JournalKind.ValueType(value.kind),
        sequence=value.seq,
        key_id=value.key_id,
        granted_nano_usd=value.granted,
        held_nano_usd=value.held,
        actual_nano_usd=value.actual,
        charged_nano_usd=value.charged,
        absorbed_nano_usd=value.absorbed,
        at_ms=value.at_ms,
        note=value.note,
    )


def hold(value: Hold) -> ledger_pb2.OpenHold:
    """An open hold."""
    return ledger_pb2.OpenHold(
        hold_id=value.hold_id,
        key_id=value.subject.key_id,
        provider=value.subject.provider,
        model=value.subject.model,
        amount_nano_usd=value.amount_nano_usd,
        metered_nano_usd=value.metered.amount_nano_usd,
        reserved_at_ms=value.reserved_at_ms,
        expires_at_ms=value.expires_at_ms,
        account_id=value.subject.account_id,
        request_id=value.subject.request_id,
        job=value.job is not HoldJob.NONE,
    )


def event(value: ChargeDetail) -> meter_pb2.Event:
    """A charge, as its owner sees it."""
    return meter_pb2.Event(
        id=value.operation_id.hex(),
        sequence=value.seq,
        account_id=value.subject.account_id,
        key_id=value.subject.key_id,
        provider=value.subject.provider,
        model=value.model,
        requested_model=value.subject.model,
        route=value.subject.route,
        units=_counts(value.measured),
        unit_prices=[
            unit_pb2.UnitPrice(unit=unit_pb2.Unit.ValueType(unit), pico_usd=pico)
            for unit, pico in value.measured.unit_prices
        ],
        price_version=value.price_version,
        variants=value.measured.variants,
        input_tokens=value.input_tokens,
        output_tokens=value.output_tokens,
        reasoning_tokens=value.reasoning_tokens,
        actual_nano_usd=value.actual,
        charged_nano_usd=value.charged,
        absorbed_nano_usd=value.absorbed,
        held_nano_usd=value.held,
        overrun=value.overrun,
        late=value.late,
        settled_by=ledger_pb2.SettledBy.ValueType(value.settled_by),
        status=ledger_pb2.EventStatus.ValueType(value.status),
        http_status=value.http_status,
        latency_ms=value.latency_ms,
        first_byte_ms=value.first_byte_ms,
        request_id=value.subject.request_id,
        provider_request_id=value.provider_request_id,
        at_ms=value.at_ms,
        prior_nano_usd=value.prior_nano_usd,
    )


def _counts(value: Measured) -> list[unit_pb2.UnitCount]:
    return [
        unit_pb2.UnitCount(unit=unit_pb2.Unit.ValueType(unit), count=count)
        for unit, count in value.units
    ]


def totals(value: Usage) -> meter_pb2.UsageTotals:
    """Sums over charges."""
    return meter_pb2.UsageTotals(
        request_count=value.request_count,
        input_tokens=value.input_tokens,
        output_tokens=value.output_tokens,
        cache_read_tokens=value.cache_read_tokens,
        cache_write_tokens=value.cache_write_tokens,
        cost_nano_usd=value.charged,
        absorbed_nano_usd=value.absorbed,
        latency_ms=value.latency_ms,
    )


def price(card: RateCard) -> meter_pb2.ModelPrice:
    """A price card."""
    return meter_pb2.ModelPrice(
        provider=card.provider,
        model=card.model,
        context_window=card.context_window,
        max_output_tokens=card.max_output_tokens,
        rates=[
            meter_pb2.RateSet(
                variant=variant,
                prices=_prices(rates.prices),
                tiers=[
                    meter_pb2.RateTier(
                        above_input_tokens=tier.above_input_tokens, prices=_prices(tier.prices)
                    )
                    for tier in rates.tiers
                ],
            )
            for variant, rates in card.rates.items()
        ],
        multipliers_permille=card.multipliers_permille,
        effective_at_ms=card.effective_at_ms,
        price_version=card.version,
        source=card.source,
    )


def _prices(prices: Mapping[Unit, int]) -> list[unit_pb2.UnitPrice]:

    return [
        unit_pb2.UnitPrice(unit=unit_pb2.Unit.ValueType(unit), pico_usd=pico)
        for unit, pico in prices.items()
    ]
