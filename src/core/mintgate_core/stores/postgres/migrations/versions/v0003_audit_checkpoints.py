"""Where an audit begins, and when everything was last found in order.

Only adds tables: cores of the release before do not look at them.
"""

from __future__ import annotations

from alembic import op

revision = "3"
down_revision = "2"
branch_labels = None
depends_on = None

_AUDIT = (
    """
    create table audit_checkpoint (
      line_id bigint primary key,
      seq     bigint not null,
      spent   bigint not null,
      ceiling bigint not null
    )
    """,
    "create table audit_run (kind bigint primary key, at bigint not null)",
)


def upgrade() -> None:
    """Make both tables."""
    for statement in _AUDIT:
        op.execute(statement)
    op.execute("update schema_info set version = 3 where id = 1")
