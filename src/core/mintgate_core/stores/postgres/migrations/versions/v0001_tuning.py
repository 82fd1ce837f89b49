"""What only PostgreSQL itself understands; other engines work without it.

Line rows are updated all the time: half a page is left free, so that an update stays
on its page and touches no index. Open holds come and go, so their table is cleaned
after 1,000 dead rows rather than after a fifth of it.
"""

from __future__ import annotations

from alembic import op

revision = "1_tuning"
down_revision = "1"
branch_labels = None
depends_on = None

TUNING = (
    "alter table line set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,"
    " autovacuum_vacuum_threshold = 1000)",
    "alter table hold set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0,"
    " autovacuum_vacuum_threshold = 1000)",
    "alter table usage_hour set (fillfactor = 70)",
)

OTHER_ENGINES = ("CockroachDB", "-YB-")


def upgrade() -> None:
    """Tune, unless the engine only looks like PostgreSQL."""
    version = str(op.get_bind().exec_driver_sql("select version()").scalar_one())
    if any(name in version for name in OTHER_ENGINES):
        return
    for statement in TUNING:
        op.execute(statement)
