"""Where a key may be used from: lists of browser origins and of address ranges.

It only adds. A core of the release before goes on, but does not know the lists: what it
admits is not checked against them until it is replaced.
"""

from __future__ import annotations

from alembic import op

revision = "2"
down_revision = "1_tuning"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two lists to each key, both empty."""
    op.execute("alter table api_key add column allowed_origins text not null default '[]'")
    op.execute("alter table api_key add column allowed_cidrs text not null default '[]'")
    op.execute("update schema_info set version = 2 where id = 1")
