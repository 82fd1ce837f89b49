"""Which schema a database has, and how it gets the one of this release.

The row in `schema_info` says what the tables are (`version`) and the oldest release
that still works on them, by the version it knew (`readable_from`). A step that only
adds leaves `readable_from` alone, so that cores of the release before go on during
a rolling upgrade; what they read is taken away a release later.
"""

from __future__ import annotations

import logging
import random
import time
from pathlib import Path

import psycopg

from mintgate_core.ledger.errors import Unavailable
from mintgate_core.stores.postgres.failures import NotConnectedError, reason
from mintgate_core.stores.postgres.session import Session
from mintgate_core.stores.postgres.url import PostgresUrl

VERSION = 6
"""What this release knows; the number of the newest step in `migrations/versions`."""

SELECT = "select version, readable_from from schema_info where id = 1"

MIGRATE_DEADLINE_S = 120.0
"""How long a migration is tried while the tables are busy or another one runs."""

DDL_LOCK_TIMEOUT_MS = 2_000
"""A step that waits for a table makes everybody behind it wait too: rather give way."""

RETRY_S_MIN = 0.1
RETRY_S_MAX = 2.0

RETRY_CLASSES = frozenset({"08", "23", "40", "42", "53", "55", "57"})
"""Lost connections, locks and shutdowns; 23 and 42 when two first runs create one table."""

log = logging.getLogger(__name__)


async def require(session: Session) -> None:
    """Raise `Unavailable`, in one clear line, unless this release works on the schema."""
    try:
        found = await session.query(SELECT)
    except psycopg.errors.UndefinedTable:
        found = []
    if not found:
        raise Unavailable("the database has no mintgate schema: run `mintgate migrate`")
    check(*found[0])


def check(version: int, readable_from: int, known: int = VERSION) -> None:
    """Raise `Unavailable` unless a release that knows `known` works on this schema."""
    if version < known:
        raise Unavailable(
            f"the database has schema version {version}, this release needs {known}:"
            " run `mintgate migrate`"
        )
    if readable_from > known:
        raise Unavailable(
            f"the database has schema version {version}, which this release (it knows {known})"
            " cannot read: upgrade it"
        )


def migrate(url: PostgresUrl, target: str = "head", deadline_s: float = MIGRATE_DEADLINE_S) -> None:
    """Bring a database to the schema of this release; nothing happens when it has it.

    All steps are one transaction. Any number of runs may race: they wait for one row.
    Raises `Unavailable` when the database cannot be reached, stays busy, or is newer.
    """
    deadline = time.monotonic() + deadline_s
    wait_s = RETRY_S_MIN
    while True:
        try:
            _upgrade(url, target)
        except psycopg.Error as error:
            code = error.sqlstate or ""
            log.warning("the migration has to wait: %s", reason(error))
            again = not code or code[:2] in RETRY_CLASSES
            if not again or time.monotonic() + wait_s > deadline:
                raise Unavailable(f"the database cannot be migrated: {reason(error)}") from None
            time.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries
            wait_s = min(2 * wait_s, RETRY_S_MAX)
        else:
            return


def _upgrade(url: PostgresUrl, target: str) -> None:
    # It tells of its own plugins at the level of what an operator reads.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Alembic and SQLAlchemy are for migrations only; a core that serves never loads them.
    import alembic.command  # noqa: PLC0415
    import alembic.config  # noqa: PLC0415
    import sqlalchemy  # noqa: PLC0415

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: _connect(url),
        poolclass=sqlalchemy.NullPool,
    )
    configuration = alembic.config.Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"set local lock_timeout = {DDL_LOCK_TIMEOUT_MS}")
            version = _lock(connection)
            if version > VERSION:
                raise Unavailable(
                    f"the database has schema version {version}, newer than this release"
                    f" ({VERSION}): upgrade it"
                )
            configuration.attributes["connection"] = connection
            alembic.command.upgrade(configuration, target)
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from None
        raise


def _connect(url: PostgresUrl) -> psycopg.Connection:
    try:
        return psycopg.connect(url.conninfo, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise NotConnectedError.of(error) from None


def _lock(connection: object) -> int:
    """Lock the one row that every migration locks first, and return the schema's version."""
    execute = connection.exec_driver_sql  # type: ignore[attr-defined]
    execute(
        "create table if not exists schema_info (id bigint primary key,"
        " version bigint not null, readable_from bigint not null)"
    )
    execute("insert into schema_info values (1, 0, 0) on conflict do nothing")
    found = execute("select version from schema_info where id = 1 for update")
    return int(found.scalar_one())
