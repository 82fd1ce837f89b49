"""Between rows and the ledger's values, for every store. Column orders match `columns`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from functools import lru_cache
from typing import Any

import orjson

from mintgate_core.ledger.types import (
    Account,
    ChargeDetail,
    Entry,
    EventStatus,
    Hold,
    HoldJob,
    Job,
    JournalKind,
    Key,
    KeyScope,
    KeyStatus,
    Line,
    LineKind,
    Measured,
    OnDisconnect,
    OpenWindow,
    RateLimits,
    SettledBy,
    Subject,
    UnboundedOutput,
    WindowCap,
    WindowPeriod,
)
from mintgate_core.stores.base import HOUR_MS, MintReplay, Usage
from mintgate_core.stores.objects import OwnedObject

Row = Sequence[Any]


def dump(value: object) -> str:
    """Compact JSON text."""
    return orjson.dumps(value).decode()


@lru_cache(maxsize=4_096)
def int_tuple(text: str) -> tuple[int, ...]:
    """A stored list of ids; the same few texts come again and again."""
    return tuple(orjson.loads(text))


@lru_cache(maxsize=4_096)
def _names(text: str) -> tuple[str, ...]:
    """A stored list of names; keys of one app share the same few, most of them empty."""
    return tuple(orjson.loads(text))


def line(row: Row) -> Line:
    """A `line` row."""
    return Line(row[0], row[1], LineKind(row[2]), *row[3:10])


def line_row(value: Line) -> tuple[object, ...]:
    """The inverse of `line`."""
    return (
        value.line_id,
        value.wallet_id,
        int(value.kind),
        value.cap,
        value.ceiling,
        value.held,
        value.spent,
        value.seq,
        value.key_id,
        value.window_start_ms,
    )


def changed_line(value: Line) -> tuple[object, ...]:
    """What changes on a line, and its id."""
    return (value.cap, value.ceiling, value.held, value.spent, value.seq, value.line_id)


def measured(text: str) -> Measured:
    """Stored units and prices."""
    value = orjson.loads(text)
    value["units"] = tuple((unit, count) for unit, count in value["units"])
    value["unit_prices"] = tuple((unit, price) for unit, price in value["unit_prices"])
    value["variants"] = tuple(value["variants"])
    return Measured(**value)


def measured_text(value: Measured) -> str:
    """The inverse of `measured`."""
    return dump(value)


def hold(row: Row) -> Hold:
    """A `hold` row."""
    return Hold(
        hold_id=row[0],
        wallet_id=row[1],
        line_ids=int_tuple(row[2]),
        subject=Subject(*row[3:10]),
        amount_nano_usd=row[10],
        worst_nano_usd=row[11],
        output_tokens=row[12],
        fitted=bool(row[13]),
        on_disconnect=OnDisconnect(row[14]),
        metered=measured(row[15]),
        reserved_at_ms=row[17],
        expires_at_ms=row[18],
        job=HoldJob(row[19]),
    )


def hold_row(value: Hold) -> tuple[object, ...]:
    """The inverse of `hold`."""
    subject = value.subject
    return (
        value.hold_id,
        value.wallet_id,
        dump(value.line_ids),
        subject.key_id,
        subject.account_id,
        subject.provider,
        subject.model,
        subject.route,
        subject.request_id,
        subject.price_version,
        value.amount_nano_usd,
        value.worst_nano_usd,
        value.output_tokens,
        int(value.fitted),
        int(value.on_disconnect),
        measured_text(value.metered),
        value.metered.amount_nano_usd,
        value.reserved_at_ms,
        value.expires_at_ms,
        int(value.job),
    )


def changed_hold(value: Hold) -> tuple[object, ...]:
    """What changes on an open hold, and its id."""
    return (
        value.amount_nano_usd,
        measured_text(value.metered),
        value.metered.amount_nano_usd,
        value.expires_at_ms,
        int(value.job),
        value.hold_id,
    )


def job(row: Row) -> Job:
    """A `job` row."""
    return Job(*row)


def job_row(value: Job) -> tuple[object, ...]:
    """The inverse of `job`."""
    return astuple(value)


def changed_job(value: Job) -> tuple[object, ...]:
    """What a renewal changes on a job, and its id; only claims change its attempt."""
    return (value.state, value.due_at_ms, value.deadline_ms, value.hold_id)


def owned_object(row: Row) -> OwnedObject:
    """An `owned_object` row."""
    return OwnedObject(*[*row[:-1], bool(row[-1])])


def object_row(value: OwnedObject) -> tuple[object, ...]:
    """The inverse of `owned_object`."""
    return astuple(value)


def changed_object(value: OwnedObject) -> tuple[object, ...]:
    """What a record of one's own object changes, and its name."""
    return (value.note, value.expires_at_ms, *value.name)


def entry(row: Row) -> Entry:
    """A `journal` row."""
    return Entry(row[0], JournalKind(row[1]), row[2], row[3], row[4], int_tuple(row[5]), *row[6:13])


def entry_row(value: Entry) -> tuple[object, ...]:
    """The inverse of `entry`."""
    return (
        value.operation_id,
        int(value.kind),
        value.wallet_id,
        value.seq,
        value.key_id,
        dump(value.line_ids),
        value.granted,
        value.held,
        value.actual,
        value.charged,
        value.absorbed,
        value.at_ms,
        value.note,
    )


def account(row: Row) -> Account:
    """An `account` row."""
    return Account(row[0], row[1], row[2], bool(row[3]), row[4])


def account_row(value: Account) -> tuple[object, ...]:
    """The inverse of `account`."""
    return (
        value.account_id,
        value.name,
        value.wallet_id,
        int(value.postpaid),
        value.created_at_ms,
    )


def replay_row(value: MintReplay) -> tuple[object, ...]:
    """A `mint_replay` row."""
    return (
        value.minter_key_id,
        value.idempotency_sha256,
        value.request_json,
        value.salt,
        value.key_id,
        value.created_at_ms,
    )


def key(row: Row) -> Key:
    """An `api_key` row."""
    return Key(
        key_id=row[0],
        account_id=row[1],
        wallet_id=row[2],
        line_ids=int_tuple(row[3]),
        secret_sha256=row[4],
        name=row[5],
        prefix=row[6],
        scope=KeyScope(row[7]),
        status=KeyStatus(row[8]),
        created_at_ms=row[9],
        cap_nano_usd=row[10],
        expires_at_ms=row[11],
        revoked_at_ms=row[12],
        external_user_id=row[13],
        metadata=orjson.loads(row[14]),
        allowed_providers=_names(row[15]),
        allowed_models=_names(row[16]),
        unbounded_output=UnboundedOutput(row[17]),
        on_disconnect=OnDisconnect(row[18]),
        window_cap=WindowCap(WindowPeriod(row[19]), row[20], row[21]) if row[19] else None,
        window=OpenWindow(*row[22:25]) if row[22] else None,
        rate_limits=RateLimits(*row[25:28]),
        previous_secret_sha256=row[28],
        previous_secret_until_ms=row[29],
        allowed_origins=_names(row[30]),
        allowed_cidrs=_names(row[31]),
    )


def key_row(value: Key) -> tuple[object, ...]:
    """The inverse of `key`."""
    return (
        value.key_id,
        value.account_id,
        value.wallet_id,
        dump(value.line_ids),
        value.secret_sha256,
        value.name,
        value.prefix,
        int(value.scope),
        int(value.status),
        value.created_at_ms,
        value.cap_nano_usd,
        value.expires_at_ms,
        value.revoked_at_ms,
        value.external_user_id,
        dump(dict(value.metadata)),
        dump(value.allowed_providers),
        dump(value.allowed_models),
        int(value.unbounded_output),
        int(value.on_disconnect),
        *_window_cap_row(value.window_cap),
        *_window_row(value.window),
        value.rate_limits.requests_per_minute,
        value.rate_limits.tokens_per_minute,
        value.rate_limits.open_requests,
        value.previous_secret_sha256,
        value.previous_secret_until_ms,
        dump(value.allowed_origins),
        dump(value.allowed_cidrs),
    )


def _window_cap_row(value: WindowCap | None) -> tuple[object, ...]:
    return (0, "", 0) if value is None else (int(value.period), value.zone, value.cap_nano_usd)


def _window_row(value: OpenWindow | None) -> tuple[object, ...]:
    return (0, 0, 0) if value is None else (value.line_id, value.start_ms, value.end_ms)


def entered_window(value: Key) -> tuple[object, ...]:
    """What changes on a key that enters a window, and its id."""
    return (*_window_row(value.window), value.key_id)


def detail(row: Row) -> ChargeDetail:
    """A `charge_detail` row."""
    return ChargeDetail(
        operation_id=row[0],
        kind=JournalKind(row[1]),
        wallet_id=row[2],
        seq=row[3],
        at_ms=row[4],
        subject=Subject(*row[5:12]),
        model=row[12],
        measured=measured(row[13]),
        actual=row[14],
        charged=row[15],
        absorbed=row[16],
        held=row[17],
        prior_nano_usd=row[18],
        overrun=bool(row[19]),
        late=bool(row[20]),
        settled_by=SettledBy(row[21]),
        status=EventStatus(row[22]),
        price_version=row[23],
        http_status=row[24],
        latency_ms=row[25],
        first_byte_ms=row[26],
        reasoning_tokens=row[27],
        provider_request_id=row[28],
        input_tokens=row[29],
        output_tokens=row[30],
        cache_read_tokens=row[31],
        cache_write_tokens=row[32],
    )


def detail_row(value: ChargeDetail) -> tuple[object, ...]:
    """The inverse of `detail`."""
    subject = value.subject
    return (
        value.operation_id,
        int(value.kind),
        value.wallet_id,
        value.seq,
        value.at_ms,
        subject.key_id,
        subject.account_id,
        subject.provider,
        subject.model,
        subject.route,
        subject.request_id,
        subject.price_version,
        value.model,
        measured_text(value.measured),
        value.actual,
        value.charged,
        value.absorbed,
        value.held,
        value.prior_nano_usd,
        int(value.overrun),
        int(value.late),
        int(value.settled_by),
        int(value.status),
        value.price_version,
        value.http_status,
        value.latency_ms,
        value.first_byte_ms,
        value.reasoning_tokens,
        value.provider_request_id,
        value.input_tokens,
        value.output_tokens,
        value.cache_read_tokens,
        value.cache_write_tokens,
    )


def usage_hours(details: Iterable[ChargeDetail]) -> list[tuple[object, ...]]:
    """A batch's charges summed by hour, key and model: one `usage_hour` row a group."""
    sums: dict[tuple[int, int, str, str, str], Usage] = {}
    for one in details:
        hour = one.at_ms // HOUR_MS * HOUR_MS
        subject = one.subject
        group = (one.wallet_id, hour, subject.key_id, subject.provider, one.model)
        sums[group] = sums.get(group, _NOTHING) + Usage.of(one)
    return [
        (
            *group,
            usage.request_count,
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.charged,
            usage.absorbed,
            usage.latency_ms,
        )
        for group, usage in sums.items()
    ]


_NOTHING = Usage()
