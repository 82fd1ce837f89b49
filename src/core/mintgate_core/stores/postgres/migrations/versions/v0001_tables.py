"""The tables: the same as the embedded store's, column for column.

Ids are made by the application, times are milliseconds by the store's clock, money
is nano-USD. There are no foreign keys, triggers or sequences: the tables must fit
any engine that speaks this protocol, and the auditor checks the references.
"""

from __future__ import annotations

from alembic import op

revision = "1"
down_revision = None
branch_labels = None
depends_on = None

_LEDGER = (
    """
    create table line (
      line_id   bigint primary key,
      wallet_id bigint not null,
      kind      bigint not null,
      cap       bigint not null,
      ceiling   bigint not null,
      held      bigint not null default 0 check (held >= 0),
      spent     bigint not null default 0 check (spent >= 0),
      seq       bigint not null default 0,
      key_id    text not null default '',
      window_start bigint not null default 0,
      check (held + spent <= ceiling)
    )
    """,
    "create index line_of_wallet on line (wallet_id)",
    """
    create table hold (
      hold_id        bytea primary key,
      wallet_id      bigint not null,
      line_ids       text not null,
      key_id         text not null,
      account_id     text not null,
      provider       text not null,
      model          text not null,
      route          text not null,
      request_id     text not null,
      price_version  text not null,
      amount         bigint not null check (amount >= 0),
      worst          bigint not null,
      output_tokens  bigint not null,
      fitted         bigint not null,
      on_disconnect  bigint not null,
      metered        text not null,
      metered_amount bigint not null check (metered_amount >= 0),
      reserved_at    bigint not null,
      expires_at     bigint not null
    )
    """,
    "create index hold_expiry on hold (expires_at)",
    """
    create table journal (
      op_id     bytea not null,
      kind      bigint not null,
      wallet_id bigint not null,
      seq       bigint not null,
      key_id    text not null,
      line_ids  text not null,
      granted   bigint not null,
      held      bigint not null,
      actual    bigint not null,
      charged   bigint not null check (charged >= 0),
      absorbed  bigint not null check (absorbed >= 0),
      at        bigint not null,
      note      text not null,
      primary key (op_id, kind),
      unique (wallet_id, seq),
      check (actual = charged + absorbed)
    )
    """,
)

_DIRECTORY = (
    """
    create table account (
      account_id text primary key,
      name       text not null,
      wallet_id  bigint not null unique,
      postpaid   bigint not null,
      created_at bigint not null
    )
    """,
    """
    create table api_key (
      key_id            text primary key,
      account_id        text not null,
      wallet_id         bigint not null,
      line_ids          text not null,
      secret_sha256     bytea not null unique,
      name              text not null,
      prefix            text not null,
      scope             bigint not null,
      status            bigint not null,
      created_at        bigint not null,
      cap               bigint,
      expires_at        bigint not null,
      revoked_at        bigint not null,
      external_user_id  text not null,
      metadata          text not null,
      allowed_providers text not null,
      allowed_models    text not null,
      unbounded_output  bigint not null,
      on_disconnect     bigint not null,
      window_period     bigint not null default 0,
      window_zone       text not null default '',
      window_cap        bigint not null default 0,
      window_line       bigint not null default 0,
      window_start      bigint not null default 0,
      window_end        bigint not null default 0,
      requests_per_minute     bigint not null default 0,
      tokens_per_minute       bigint not null default 0,
      open_requests           bigint not null default 0,
      previous_secret_sha256  bytea,
      previous_secret_until   bigint not null default 0
    )
    """,
    "create index key_of_account on api_key (account_id, key_id)",
    "create index key_by_previous_secret on api_key (previous_secret_sha256)"
    " where previous_secret_sha256 is not null",
    "create index key_by_revocation on api_key (revoked_at) where revoked_at > 0",
    """
    create table mint_replay (
      minter_key_id      text not null,
      idempotency_sha256 bytea not null,
      request_json       text not null,
      salt               bytea not null,
      key_id             text not null,
      created_at         bigint not null,
      primary key (minter_key_id, idempotency_sha256)
    )
    """,
    "create index mint_replay_age on mint_replay (created_at)",
)

# Every index is one more page in each commit, so there are few.
_METER = (
    """
    create table charge_detail (
      op_id               bytea not null,
      kind                bigint not null,
      wallet_id           bigint not null,
      seq                 bigint not null,
      at                  bigint not null,
      key_id              text not null,
      account_id          text not null,
      provider            text not null,
      requested_model     text not null,
      route               text not null,
      request_id          text not null,
      hold_price_version  text not null,
      model               text not null,
      measured            text not null,
      actual              bigint not null,
      charged             bigint not null,
      absorbed            bigint not null,
      held                bigint not null,
      prior               bigint not null,
      overrun             bigint not null,
      late                bigint not null,
      settled_by          bigint not null,
      status              bigint not null,
      price_version       text not null,
      http_status         bigint not null,
      latency_ms          bigint not null,
      first_byte_ms       bigint not null,
      reasoning_tokens    bigint not null,
      provider_request_id text not null,
      input_tokens        bigint not null,
      output_tokens       bigint not null,
      cache_read_tokens   bigint not null,
      cache_write_tokens  bigint not null,
      primary key (wallet_id, seq)
    )
    """,
    "create index charge_of_key on charge_detail (key_id, seq)",
    "create index charge_by_time on charge_detail (wallet_id, at)",
    """
    create table usage_hour (
      wallet_id          bigint not null,
      hour               bigint not null,
      key_id             text not null,
      provider           text not null,
      model              text not null,
      request_count      bigint not null,
      input_tokens       bigint not null,
      output_tokens      bigint not null,
      cache_read_tokens  bigint not null,
      cache_write_tokens bigint not null,
      charged            bigint not null,
      absorbed           bigint not null,
      latency_ms         bigint not null,
      primary key (wallet_id, hour, key_id, provider, model)
    )
    """,
    """
    create table price_card (
      version   text primary key,
      card_json text not null
    )
    """,
    """
    create table price_override (
      position   bigint primary key,
      account_id text not null,
      card_json  text not null,
      created_at bigint not null
    )
    """,
)


def upgrade() -> None:
    """Make every table."""
    for statement in (*_LEDGER, *_DIRECTORY, *_METER):
        op.execute(statement)
    op.execute("update schema_info set version = 1, readable_from = 1 where id = 1")
