"""Log lines: one record a line, the request's id on it, and no key in any form."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass

import pytest
from mintgate.logs import REQUEST, JsonLines, TextLines, fields, is_json

SECRET = "qlk_live_" + "ab" * 32


@dataclass
class Request:
    request_id: str = "req_1"
    trace_id: str = ""


def record(message: str, *arguments: object, failed: bool = False) -> logging.LogRecord:
    failure = None
    if failed:
        try:
            int(SECRET)
        except ValueError:
            failure = sys.exc_info()
    made = logging.LogRecord(
        "mintgate.test", logging.WARNING, __file__, 1, message, arguments, failure
    )
    made.created = 1_762_000_000.25
    return made


def test_json_has_the_fields_that_collectors_look_for() -> None:
    """Time, level, logger and message, then what the process and the call add."""
    made = record("charge %d kept", 7)
    made.__dict__.update(fields(hold_id="h"))
    assert json.loads(JsonLines({"process": "core"}).format(made)) == {
        "time": "2025-11-01T12:26:40.250Z",
        "level": "warning",
        "logger": "mintgate.test",
        "message": "charge 7 kept",
        "process": "core",
        "hold_id": "h",
    }


def test_a_line_names_its_request() -> None:
    """Inside a request each line has its id, and the trace's where there is one."""
    token = REQUEST.set(Request(trace_id="cd" * 16))
    try:
        line = json.loads(JsonLines({}).format(record("x")))
        text = TextLines({}).format(record("x"))
    finally:
        REQUEST.reset(token)
    assert (line["request_id"], line["trace_id"]) == ("req_1", "cd" * 16)
    assert text.endswith(f"WARNING mintgate.test x request_id=req_1 trace_id={'cd' * 16}")
    assert "request_id" not in json.loads(JsonLines({}).format(record("x")))


def test_one_record_is_one_line_of_json() -> None:
    """Line ends in messages and tracebacks are escaped."""
    line = JsonLines({}).format(record("a\nb", failed=True))
    assert "\n" not in line
    assert "Traceback" in json.loads(line)["exception"]


@pytest.mark.parametrize("form", [JsonLines({}), TextLines({"process": "core"})])
def test_what_looks_like_a_key_is_masked(form: logging.Formatter) -> None:
    """Neither a message, nor a traceback, nor an extra field can show a key."""
    made = record("key %s", SECRET, failed=True)
    made.__dict__.update(fields(shown=SECRET))
    assert "ab" * 8 not in form.format(made)


def test_the_form_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` is JSON away from a terminal; the others are what they say."""
    assert is_json("json")
    assert not is_json("text")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert not is_json("auto")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert is_json("auto")
