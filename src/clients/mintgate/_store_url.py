"""MINTGATE_STORE: what it may say, and how it is shown. Nothing here connects anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

SQLITE: Final = "sqlite:///"
POSTGRES: Final = "postgresql://"

_PARAMETERS: Final = {
    "pipeline": r"on|off",
    "pooler": r"none|transaction",
    "sslmode": r"disable|allow|prefer|require|verify-ca|verify-full",
    "sslrootcert": r".+",
    "sslcert": r".+",
    "sslkey": r".+",
    "connect_timeout": r"[1-9]|[12][0-9]|30",
    "application_name": r"[\x21-\x7e]{1,60}",
    "target_session_attrs": r"read-write|primary|any",
}
"""What may follow the question mark. The first two are ours, the others libpq's."""

STORE_ALLOWED: Final = (
    "sqlite:///path/to/file or postgresql://user@host/database, each of these parameters at "
    f"most once, with a value that docs/configuration.md lists: {', '.join(_PARAMETERS)}"
)

_CREDENTIALS: Final = re.compile(r"//.*@")
_PASSWORD: Final = re.compile(r"(password=)[^&]*", re.IGNORECASE)
_HOSTS: Final = re.compile(r"[A-Za-z0-9._:,\[\]-]+")


def parse_store(text: str) -> str:
    """Parse the URL of an SQLite file or of a PostgreSQL database. Raises `ValueError`."""
    if text.startswith("postgres://"):
        text = POSTGRES + text.removeprefix("postgres://")
    if text.startswith(POSTGRES):
        _check_postgres(text)
        return text
    path = text.removeprefix(SQLITE)
    if not text.startswith(SQLITE) or path in {"", ":memory:"} or "?" in path:
        raise ValueError(show_store(text))
    return text


def _check_postgres(text: str) -> None:
    parts = urlsplit(text)
    hosts = parts.netloc.rpartition("@")[2]
    database = parts.path.removeprefix("/")
    good = _HOSTS.fullmatch(hosts) and database and "/" not in database and not parts.fragment
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    known = all(
        name in _PARAMETERS and re.fullmatch(_PARAMETERS[name], value) for name, value in pairs
    )
    if not good or not known or len({name for name, _ in pairs}) < len(pairs):
        raise ValueError(show_store(text))


def show_store(text: str) -> str:
    """Return a store's URL without credentials."""
    return _PASSWORD.sub(r"\1…", _CREDENTIALS.sub("//…@", text))


def store_path(store: str) -> Path:
    """Return the file of an SQLite store."""
    return Path(store.removeprefix(SQLITE))


def is_postgres(store: str) -> bool:
    """Whether a parsed URL is of a PostgreSQL database."""
    return store.startswith(POSTGRES)
