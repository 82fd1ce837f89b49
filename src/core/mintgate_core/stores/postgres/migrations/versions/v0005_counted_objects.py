"""Which objects count toward what their key may own. It only adds."""

from __future__ import annotations

from alembic import op

revision = "5"
down_revision = "4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; until now all of them count."""
    op.execute("alter table owned_object add column counted bigint not null default 1")
    op.execute("update schema_info set version = 5 where id = 1")
