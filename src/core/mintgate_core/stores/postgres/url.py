"""MINTGATE_STORE as a PostgreSQL URL: what libpq is given, and the two switches of ours."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mintgate_core.ledger.errors import Unavailable

CONNECT_TIMEOUT_S = 3
"""For one address of one host; a retry's backoff comes on top."""

CONNECTION_DEFAULTS = {
    "connect_timeout": str(CONNECT_TIMEOUT_S),
    "application_name": "mintgate-core",
    # With several hosts in the URL: the one that takes writes, whichever it is now.
    "target_session_attrs": "read-write",
    # A peer that vanished without a word is noticed within eleven seconds when idle, and
    # within six when something was sent.
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "6000",
}

POOLERS = ("none", "transaction")
SWITCH = ("on", "off")


@dataclass(frozen=True)
class PostgresUrl:
    """Where the database is and how to talk to it."""

    conninfo: str
    """For libpq. May hold a password, so it is never shown."""
    shown: str
    """Host and database, for a person."""
    pipeline: bool = True
    """Several statements in one round trip; `?pipeline=off` sends each by itself."""
    pooled: bool = False
    """`?pooler=transaction`: a pooler gives each transaction another session, so that nothing
    may be kept in one: no prepared statements, and settings for each transaction."""

    @classmethod
    def parse(cls, text: str) -> PostgresUrl:
        """Read a URL that the settings let through. Raises `Unavailable` for a wrong switch."""
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        pipeline, pooler = query.pop("pipeline", "on"), query.pop("pooler", "none")
        if pipeline not in SWITCH:
            raise Unavailable(f"pipeline must be one of {', '.join(SWITCH)}")
        if pooler not in POOLERS:
            raise Unavailable(f"pooler must be one of {', '.join(POOLERS)}")
        conninfo = urlunsplit(
            ("postgresql", parts.netloc, parts.path, urlencode(CONNECTION_DEFAULTS | query), "")
        )
        host = parts.netloc.rpartition("@")[2]
        return cls(conninfo, f"{host}{parts.path}", pipeline == "on", pooler == "transaction")

    def __repr__(self) -> str:
        return f"PostgresUrl({self.shown})"
