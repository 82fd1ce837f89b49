"""Usage of hours that are over, by hour and by day.

It only adds, and finds both tables empty: no index is made while charges wait. Rows are
moved by cores of this release later; from then on `readable_from` says that a release
before, which reads the open hours alone, would bill too little.
"""

from __future__ import annotations

from alembic import op

from mintgate_core.stores.postgres.migrations.versions.v0001_tuning import OTHER_ENGINES

revision = "6"
down_revision = "5"
branch_labels = None
depends_on = None

_TABLE = """
    create table {table} (
      wallet_id          bigint not null,
      {time}             bigint not null,
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
      primary key (wallet_id, {time}, key_id, provider, model)
    )
"""
STEPS = (
    _TABLE.format(table="usage_closed_hour", time="hour"),
    "create index closed_hour_of_key on usage_closed_hour (wallet_id, key_id, hour)",
    _TABLE.format(table="usage_day", time="day"),
    "create index day_of_key on usage_day (wallet_id, key_id, day)",
)

# Rows are moved away every hour: cleaned by their number, not by the table's largest size.
TUNING = (
    "alter table usage_hour set (autovacuum_vacuum_scale_factor = 0,"
    " autovacuum_vacuum_threshold = 5000)",
    "alter table usage_day set (fillfactor = 70)",
)


def upgrade() -> None:
    """Add the tables; tune, unless the engine only looks like PostgreSQL."""
    for statement in STEPS:
        op.execute(statement)
    version = str(op.get_bind().exec_driver_sql("select version()").scalar_one())
    if not any(name in version for name in OTHER_ENGINES):
        for statement in TUNING:
            op.execute(statement)
    op.execute("update schema_info set version = 6 where id = 1")
