"""The next release: this one with one more step of its schema, on disk and ready to run.

A deploy needs two releases, and a repository holds one. What is made here differs from this
release as the next one will: it knows a step more, brings it by its own `migrate`, and does
not start on a database without it.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import mintgate_core
from alembic.config import Config
from alembic.script import ScriptDirectory
from mintgate_core.stores.postgres import schema

VERSION = schema.VERSION + 1

STEP = '''\
"""The first half of a change: what is added is read by nobody but this release."""

from alembic import op

revision = "{version}"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the busiest tables, and take nothing away."""
    op.execute("alter table hold add column of_next_release bigint not null default 0")
    op.execute("alter table line add column of_next_release text not null default ''")
    op.execute("create index hold_of_next_release on hold (of_next_release)")
    op.execute("create table of_next_release (id bigint primary key)")
    op.execute("update schema_info set version = {version} where id = 1")
'''


def next_release(directory: Path) -> dict[str, str]:
    """Make it in an empty directory; returns the environment that runs it."""
    package = directory / "mintgate_core"
    shutil.copytree(
        Path(mintgate_core.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    known = package / "stores/postgres/schema.py"
    text, changes = re.subn(r"(?m)^VERSION = \d+$", f"VERSION = {VERSION}", known.read_text())
    assert changes == 1
    known.write_text(text)
    migrations = package / "stores/postgres/migrations"
    configuration = Config()
    configuration.set_main_option("script_location", str(migrations))
    head = ScriptDirectory.from_config(configuration).get_current_head()
    step = migrations / f"versions/v{VERSION:04}_of_next_release.py"
    step.write_text(STEP.format(version=VERSION, head=head))
    # Before the installed package of the same name.
    return {"PYTHONPATH": str(directory)}
