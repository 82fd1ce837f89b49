"""The tables of the embedded store, as numbered steps; each step is one transaction.

Ids are made by the application, times are milliseconds by the store's clock,
money is nano-USD. There are no foreign keys, triggers or sequences: the same
tables must fit any engine, and the auditor checks the references.
"""

from __future__ import annotations

import sqlite3

from mintgate_core.ledger.errors import Unavailable

_LEDGER = (
    """
    create table line (
      line_id   integer primary key,
      wallet_id integer not null,
      kind      integer not null,
      cap       integer not null,
      ceiling   integer not null,
      held      integer not null default 0 check (held >= 0),
      spent     integer not null default 0 check (spent >= 0),
      seq       integer not null default 0,
      check (held + spent <= ceiling)
    ) strict
    """,
    "create index line_of_wallet on line (wallet_id)",
    """
    create table hold (
      hold_id        blob primary key,
      wallet_id      integer not null,
      line_ids       text not null,
      key_id         text not null,
      account_id     text not null,
      provider       text not null,
      model          text not null,
      route          text not null,
      request_id     text not null,
      price_version  text not null,
      amount         integer not null check (amount >= 0),
      worst          integer not null,
      output_tokens  integer not null,
      fitted         integer not null,
      on_disconnect  integer not null,
      metered        text not null,
      metered_amount integer not null check (metered_amount >= 0),
      reserved_at    integer not null,
      expires_at     integer not null
    ) strict, without rowid
    """,
    "create index hold_expiry on hold (expires_at)",
    """
    create table journal (
      op_id     blob not null,
      kind      integer not null,
      wallet_id integer not null,
      seq       integer not null,
      key_id    text not null,
      line_ids  text not null,
      granted   integer not null,
      held      integer not null,
      actual    integer not null,
      charged   integer not null check (charged >= 0),
      absorbed  integer not null check (absorbed >= 0),
      at        integer not null,
      note      text not null,
      primary key (op_id, kind),
      unique (wallet_id, seq),
      check (actual = charged + absorbed)
    ) strict, without rowid
    """,
)

_DIRECTORY = (
    """
    create table account (
      account_id text primary key,
      name       text not null,
      wallet_id  integer not null unique,
      postpaid   integer not null,
      created_at integer not null
    ) strict, without rowid
    """,
    """
    create table api_key (
      key_id            text primary key,
      account_id        text not null,
      wallet_id         integer not null,
      line_ids          text not null,
      secret_sha256     blob not null unique,
      name              text not null,
      prefix            text not null,
      scope             integer not null,
      status            integer not null,
      created_at        integer not null,
      cap               integer,
      expires_at        integer not null,
      revoked_at        integer not null,
      external_user_id  text not null,
      metadata          text not null,
      allowed_providers text not null,
      allowed_models    text not null,
      unbounded_output  integer not null,
      on_disconnect     integer not null
    ) strict, without rowid
    """,
    "create index key_of_account on api_key (account_id, key_id)",
    """
    create table mint_replay (
      minter_key_id      text not null,
      idempotency_sha256 blob not null,
      request_json       text not null,
      salt               blob not null,
      key_id             text not null,
      created_at         integer not null,
      primary key (minter_key_id, idempotency_sha256)
    ) strict, without rowid
    """,
    "create index mint_replay_age on mint_replay (created_at)",
)

# Every index is one more page in each commit, so there are few. A charge is found
# by its place in the wallet's journal, where new rows stand side by side.
_METER = (
    """
    create table charge_detail (
      op_id               blob not null,
      kind                integer not null,
      wallet_id           integer not null,
      seq                 integer not null,
      at                  integer not null,
      key_id              text not null,
      account_id          text not null,
      provider            text not null,
      requested_model     text not null,
      route               text not null,
      request_id          text not null,
      hold_price_version  text not null,
      model               text not null,
      measured            text not null,
      actual              integer not null,
      charged             integer not null,
      absorbed            integer not null,
      held                integer not null,
      prior               integer not null,
      overrun             integer not null,
      late                integer not null,
      settled_by          integer not null,
      status              integer not null,
      price_version       text not null,
      http_status         integer not null,
      latency_ms          integer not null,
      first_byte_ms       integer not null,
      reasoning_tokens    integer not null,
      provider_request_id text not null,
      input_tokens        integer not null,
      output_tokens       integer not null,
      cache_read_tokens   integer not null,
      cache_write_tokens  integer not null,
      primary key (wallet_id, seq)
    ) strict, without rowid
    """,
    "create index charge_of_key on charge_detail (key_id, seq)",
    "create index charge_by_time on charge_detail (wallet_id, at)",
    """
    create table usage_hour (
      wallet_id          integer not null,
      hour               integer not null,
      key_id             text not null,
      provider           text not null,
      model              text not null,
      request_count      integer not null,
      input_tokens       integer not null,
      output_tokens      integer not null,
      cache_read_tokens  integer not null,
      cache_write_tokens integer not null,
      charged            integer not null,
      absorbed           integer not null,
      latency_ms         integer not null,
      primary key (wallet_id, hour, key_id, provider, model)
    ) strict, without rowid
    """,
    """
    create table price_card (
      version   text primary key,
      card_json text not null
    ) strict, without rowid
    """,
    """
    create table price_override (
      position   integer primary key,
      account_id text not null,
      card_json  text not null,
      created_at integer not null
    ) strict
    """,
)

_WINDOWS = (
    "alter table line add column key_id text not null default ''",
    "alter table line add column window_start integer not null default 0",
    "update line set key_id = coalesce((select k.key_id from api_key k, json_each(k.line_ids) x"
    " where x.value = line.line_id), '')",
    "alter table api_key add column window_period integer not null default 0",
    "alter table api_key add column window_zone text not null default ''",
    "alter table api_key add column window_cap integer not null default 0",
    "alter table api_key add column window_line integer not null default 0",
    "alter table api_key add column window_start integer not null default 0",
    "alter table api_key add column window_end integer not null default 0",
    "alter table api_key add column requests_per_minute integer not null default 0",
    "alter table api_key add column tokens_per_minute integer not null default 0",
    "alter table api_key add column open_requests integer not null default 0",
    "alter table api_key add column previous_secret_sha256 blob",
    "alter table api_key add column previous_secret_until integer not null default 0",
    "create index key_by_previous_secret on api_key (previous_secret_sha256)"
    " where previous_secret_sha256 is not null",
    "create index key_by_revocation on api_key (revoked_at) where revoked_at > 0",
)

_PLACES = (
    "alter table api_key add column allowed_origins text not null default '[]'",
    "alter table api_key add column allowed_cidrs text not null default '[]'",
)

_AUDIT = (
    """
    create table audit_checkpoint (
      line_id integer primary key,
      seq     integer not null,
      spent   integer not null,
      ceiling integer not null
    ) strict
    """,
    "create table audit_run (kind integer primary key, at integer not null) strict",
)

_JOBS_AND_OBJECTS = (
    "alter table hold add column job integer not null default 0",
    """
    create table job (
      hold_id    blob primary key,
      wallet_id  integer not null,
      surface    text not null,
      operation  text not null,
      object_id  text not null,
      state      blob not null,
      due_at     integer not null,
      attempt    integer not null,
      created_at integer not null,
      deadline   integer not null
    ) strict, without rowid
    """,
    "create index job_due on job (due_at)",
    """
    create table owned_object (
      provider    text not null,
      object_kind text not null,
      object_id   text not null,
      account_id  text not null,
      key_id      text not null,
      note        text not null,
      created_at  integer not null,
      expires_at  integer not null,
      primary key (object_id, provider, object_kind)
    ) strict, without rowid
    """,
    "create index object_of_key on owned_object"
    " (key_id, provider, object_kind, created_at, object_id)",
    "create index object_expiry on owned_object (expires_at) where expires_at > 0",
    """
    create table object_count (
      key_id text primary key,
      n      integer not null check (n >= 0)
    ) strict, without rowid
    """,
)

_ROLLUP = """
    create table {table} (
      wallet_id          integer not null,
      {time}             integer not null,
      key_id             text not null,
      provider           text not null,
      model              text not null,
      request_count      integer not null,
      input_tokens       integer not null,
      output_tokens      integer not null,
      cache_read_tokens  integer not null,
      cache_write_tokens integer not null,
      charged            integer not null,
      absorbed           integer not null,
      latency_ms         integer not null,
      primary key (wallet_id, {time}, key_id, provider, model)
    ) strict, without rowid
"""

_USAGE_DAYS = (
    _ROLLUP.format(table="usage_closed_hour", time="hour"),
    "create index closed_hour_of_key on usage_closed_hour (wallet_id, key_id, hour)",
    _ROLLUP.format(table="usage_day", time="day"),
    "create index day_of_key on usage_day (wallet_id, key_id, day)",
)

_COUNTED = ("alter table owned_object add column counted integer not null default 1",)

STEPS: tuple[tuple[str, ...], ...] = (
    (*_LEDGER, *_DIRECTORY, *_METER),
    _WINDOWS,
    _PLACES,
    _AUDIT,
    _JOBS_AND_OBJECTS,
    _COUNTED,
    _USAGE_DAYS,
)
"""Step N takes a file from version N to N + 1. Steps are only ever appended."""

VERSION = len(STEPS)


def require(connection: sqlite3.Connection) -> None:
    """Raise `Unavailable` unless the file is at `VERSION`."""
    (version,) = connection.execute("pragma user_version").fetchone()
    if version != VERSION:
        raise Unavailable(
            f"the store has schema version {version}, this release knows {VERSION}: "
            + ("upgrade it" if version > VERSION else "run `mintgate migrate`")
        )


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a file to `VERSION` and return the version it had.

    Raises `Unavailable` when the file is from a newer release.
    """
    (version,) = connection.execute("pragma user_version").fetchone()
    if version > VERSION:
        raise Unavailable(
            f"the store has schema version {version}, this release knows {VERSION}: upgrade it"
        )
    for number in range(version, VERSION):
        connection.execute("begin immediate")
        for statement in STEPS[number]:
            connection.execute(statement)
        connection.execute(f"pragma user_version = {number + 1}")
        connection.execute("commit")
    return int(version)
