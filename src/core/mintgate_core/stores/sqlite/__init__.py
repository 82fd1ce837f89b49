"""The embedded store: one file, one writer, no server."""

from mintgate_core.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
