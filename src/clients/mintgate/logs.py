"""How every process of the gateway writes its log: text for people, one JSON object a line else.

A line has time, level, logger and message, and where they are known the id of the
request and of its trace. Messages never hold a secret; what looks like a key is
masked all the same, because exceptions of libraries end up here, too.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO: Final = "auto"
"""Text on a terminal, JSON everywhere else: a collector gets lines that it can parse."""
FORMATS: Final = (AUTO, "json", "text")

_SECRET: Final = re.compile(r"qlk_live_[0-9A-Za-z]{5,}")
_MASKED: Final = "qlk_live_***"
_FIELDS: Final = "mintgate_fields"


class Traced(Protocol):
    """What a line can say about the request that it belongs to."""

    @property
    def request_id(self) -> str:
        """What client, log and event know the request by."""

    @property
    def trace_id(self) -> str:
        """32 hex digits, or nothing when it is not traced."""


REQUEST: ContextVar[Traced | None] = ContextVar("request", default=None)
"""The request that the running task serves."""


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Facts beside the message, for `extra=` of a logging call."""
    return {_FIELDS: values}


def is_json(log_format: str) -> bool:
    """Whether lines to standard error are JSON under this setting."""
    return log_format == "json" or (log_format == AUTO and not sys.stderr.isatty())


def configure(level: str, log_format: str, **always: object) -> None:
    """Send every record of this process to standard error; `always` is on each line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(always) if is_json(log_format) else TextLines(always))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class _Lines(logging.Formatter):
    """What both forms share: which facts a record has."""

    def __init__(self, always: Mapping[str, object]) -> None:
        super().__init__()
        self._always = dict(always)

    def facts(self, record: logging.LogRecord) -> dict[str, object]:
        """Facts beside time, level, logger and message."""
        facts = dict(self._always)
        request = REQUEST.get()
        if request is not None:
            facts["request_id"] = request.request_id
            if request.trace_id:
                facts["trace_id"] = request.trace_id
        facts.update(getattr(record, _FIELDS, {}))
        return facts

    def failure(self, record: logging.LogRecord) -> str:
        """The traceback, if the record has one."""
        return self.formatException(record.exc_info) if record.exc_info else ""


class JsonLines(_Lines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.facts(record),
        }
        if failure := self.failure(record):
            line["exception"] = failure
        return _mask(json.dumps(line, separators=(",", ":"), default=str))


class TextLines(_Lines):
    """A line for a person: time, level, logger, message, facts as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record; a traceback follows on lines of its own."""
        facts = "".join(f" {name}={value}" for name, value in self.facts(record).items())
        line = f"{_time(record)} {record.levelname} {record.name} {record.getMessage()}{facts}"
        failure = self.failure(record)
        return _mask(f"{line}\n{failure}" if failure else line)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _mask(text: str) -> str:
    return _SECRET.sub(_MASKED, text)
