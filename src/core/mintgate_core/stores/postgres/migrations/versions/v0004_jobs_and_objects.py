"""Jobs of providers and whose the objects there are. It only adds."""

from __future__ import annotations

from alembic import op

revision = "4"
down_revision = "3"
branch_labels = None
depends_on = None

# The id comes first in the primary key, so that no plan of a list, which names provider and
# kind as well, takes it for the index to read by.
STEPS = (
    "alter table hold add column job bigint not null default 0",
    """
    create table job (
      hold_id    bytea primary key,
      wallet_id  bigint not null,
      surface    text not null,
      operation  text not null,
      object_id  text not null,
      state      bytea not null,
      due_at     bigint not null,
      attempt    bigint not null,
      created_at bigint not null,
      deadline   bigint not null
    )
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
      created_at  bigint not null,
      expires_at  bigint not null,
      primary key (object_id, provider, object_kind)
    )
    """,
    "create index object_of_key on owned_object"
    " (key_id, provider, object_kind, created_at, object_id)",
    "create index object_expiry on owned_object (expires_at) where expires_at > 0",
    """
    create table object_count (
      key_id text primary key,
      n      bigint not null check (n >= 0)
    )
    """,
)


def upgrade() -> None:
    """Add the tables and the column."""
    for statement in STEPS:
        op.execute(statement)
    op.execute("update schema_info set version = 4 where id = 1")
