"""How answers look: tables for people, JSON for scripts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mintgate import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.message import Message
    from rich.status import Status

_PIPE_COLUMNS: Final = 400  # Rows that are piped on are not folded.


def print_json(document: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, indent=2))


def print_json_line(document: Any) -> None:
    """Print one JSON document on one line, at once."""
    typer.echo(json.dumps(document, separators=(",", ":")))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Print rows under their columns; `empty` when there are none.

    A column whose name begins with ">" is aligned to the right.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        name = column.removeprefix(">")
        table.add_column(name, justify="left" if name == column else "right", overflow="fold")
    for row in rows:
        # Text, not str: a key may well be named "[bold]".
        table.add_row(*(Text(cell) for cell in row))
    if not table.row_count:
        typer.echo(empty)
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_COLUMNS)
    console.print(table)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print one thing as names and values, a line each."""
    shown = [(name, value) for name, value in fields if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        typer.echo(f"{name.ljust(width)}  {value}")


def waiting(what: str) -> Status:
    """Return a context that shows, on a terminal, what is being waited for."""
    return Console(stderr=True).status(what)


def time_text(time_ms: int) -> str:
    """Return milliseconds since 1970 as UTC text, to the second; "" for 0."""
    if not time_ms:
        return ""
    return datetime.fromtimestamp(time_ms // 1_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def message_json(message: Message) -> dict[str, Any]:
    """Return a message as JSON: every field, numbers as numbers, enums as words.

    Protobuf's own mapping writes 64-bit numbers as strings, which scripts would
    have to parse again. Bytes are hex; an optional field that is not set is null.
    """
    return {field.name: _field_json(message, field) for field in message.DESCRIPTOR.fields}


def _field_json(message: Message, field: Any) -> Any:
    """Return one field's value; `field` is its descriptor, of either implementation."""
    value = getattr(message, field.name)
    if field.is_repeated:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return dict(value)
        return [_value_json(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value_json(value, field)


def _value_json(value: Any, field: Any) -> Any:
    if field.message_type is not None:
        return message_json(value)
    if field.enum_type is not None:
        return words.word_of(field.enum_type, value)
    return value.hex() if isinstance(value, bytes) else value
