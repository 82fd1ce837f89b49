"""``multipart/form-data`` as a provider reads it: whole, and forgiving about what is unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from .refusal import Refusal

if TYPE_CHECKING:
    from .request import Request


@dataclass(slots=True)
class File:
    """One file of a form."""

    name: str
    filename: str
    content: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Form:
    """Fields, the last of a name winning, and files."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)

    def file(self, name: str) -> File | None:
        """The first file of that field."""
        return next((file for file in self.files if file.name == name), None)


def read_form(request: Request) -> Form:
    """The form of a request. Raises ``Refusal`` (400) when its body is none."""
    kind, options = parse_options_header(request.header(b"content-type") or "")
    if kind != "multipart/form-data":
        raise Refusal(400, "We expected a multipart/form-data body.")
    form = Form()
    value = bytearray()
    name = ""
    try:
        parser = PushMultipartParser(options.get("boundary", ""))
        for event in parser.parse(request.body):
            if isinstance(event, MultipartSegment):
                name = event.name or ""
                value = bytearray()
                if event.filename is not None:
                    form.files.append(File(name, event.filename, value))
            elif event is not None:
                value += event
            elif not (form.files and form.files[-1].content is value):
                form.fields[name] = value.decode("utf-8", "replace")
        parser.close()
    except MultipartError:
        raise Refusal(400, "Could not parse multipart form.") from None
    return form
