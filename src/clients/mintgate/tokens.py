"""Tokens of the installation itself, shared by its processes on one machine.

The operator's token may do everything; the service token is what a facade
shows the core. Both come from the environment, or else from files in the data
directory that the first process to look makes.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ._config_values import ConfigError, parse_token

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Settings

OPERATOR_TOKEN_FILE: Final = "operator-token"  # noqa: S105  # The name of a file.
SERVICE_TOKEN_FILE: Final = "service-token"  # noqa: S105  # The name of a file.

_TOKEN_BYTES: Final = 32
_FILE_BYTES_MAX: Final = 4_096
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class Tokens:
    """The two tokens; neither is in the repr."""

    operator: str = field(repr=False)
    service: str = field(repr=False)


def load_or_create(settings: Settings) -> Tokens:
    """Return the tokens; makes the data directory and the files when they are missing.

    Raises `ConfigError` when a file holds no token or others may read it, and
    `OSError` when it cannot be read or made.
    """
    directory = settings.data_dir
    return Tokens(
        operator=settings.operator_token or _load_or_create(directory / OPERATOR_TOKEN_FILE),
        service=settings.service_token or _load_or_create(directory / SERVICE_TOKEN_FILE),
    )


def find_operator_token(settings: Settings) -> str | None:
    """Return the operator's token if there is one to read; makes nothing."""
    if settings.operator_token:
        return settings.operator_token
    path = settings.data_dir / OPERATOR_TOKEN_FILE
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return _read(path)
    return None


def _load_or_create(path: Path) -> str:
    try:
        return _read(path)
    except FileNotFoundError:
        _create(path)
        return _read(path)


def _create(path: Path) -> None:
    """Make a token file whole or not at all; the first of several processes wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes a file of its own name that nobody else may read.
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails where another process was faster.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)  # noqa: PTH108  # mkstemp's name is text.


def _read(path: Path) -> str:
    with path.open(encoding="ascii", errors="replace") as file:
        if os.fstat(file.fileno()).st_mode & _OTHERS:
            raise ConfigError((f"{path}: others may read this token; run chmod 600 on it",))
        text = file.read(_FILE_BYTES_MAX).strip()
    try:
        return parse_token(text)
    except ValueError:
        raise ConfigError((f"{path}: holds no token; delete it to have one made",)) from None
