"""The store for many cores: PostgreSQL, or an engine that speaks its protocol."""

from mintgate_core.stores.postgres.store import PostgresStore
from mintgate_core.stores.postgres.url import PostgresUrl

__all__ = ["PostgresStore", "PostgresUrl"]
