"""What a failure of the database may say in a log."""

from __future__ import annotations

import psycopg

TEXT_CHARACTERS_MAX = 600
"""Of several hosts each one's reason is told."""


class NotConnectedError(psycopg.OperationalError):
    """No connection was made; the text is the driver's, on one line."""

    @classmethod
    def of(cls, error: psycopg.OperationalError) -> NotConnectedError:
        """The same failure with a text for people: no such host, a wrong password, no database."""
        return cls(" ".join(str(error).split())[:TEXT_CHARACTERS_MAX])


def reason(error: Exception) -> str:
    """Why something failed. Never the driver's text of a statement: it may quote the row."""
    if isinstance(error, NotConnectedError):
        return str(error)
    return getattr(error, "sqlstate", None) or type(error).__name__
