"""Reads `multipart/form-data` as it arrives. Sans I/O.

Strict on purpose: what two parsers may read in two ways (a field twice, an
encoded part, a name in another charset) is refused, because the gateway would
hold money for one reading while the provider acts on the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

PARTS_MAX = 1_200
"""A transcript may name a thousand key terms, a part each."""
FIELD_BYTES_MAX = 256 << 10
"""Of one field that is no file. The longest is a prompt or a list of terms."""
FIELDS_BYTES_MAX = 1 << 20
"""Of all fields that are no files together; they are kept in memory."""
HEADER_BYTES_MAX = 4_096
BOUNDARY_CHARS_MAX = 256

_DISPOSITION = "Content-Disposition"
_HEADERS = frozenset({_DISPOSITION, "Content-Type", "Content-Length"})
_FORM = "multipart/form-data"
_PARAMETER = re.compile(
    r";[ \t]*(?P<name>[\w-]+\*?)="
    r'(?:"(?P<quoted>(?:[^"\\]|\\(?!"))*)"|(?P<plain>[^\s;,"\\]+))[ \t]*',
    re.ASCII,
)
"""One as every parser reads it. A quote behind a backslash ends the value for some of them."""
_LINE_END = b"\r\n"
_CONTROLS = re.compile(rb"[\r\n\x00]")
_AFTER_THE_END = "Unexpected data after end"


class FileData(NamedTuple):
    """Bytes of a file of the form."""

    file_index: int
    """Which file, in the order of the form."""
    data: bytes


@dataclass(slots=True)
class FormFile:
    """A file of the form, so far."""

    name: str
    filename: str
    content_type: str
    size_bytes: int = 0


class _StrictParser(PushMultipartParser):
    """Refuses a CR, LF or NUL within a header's line.

    The parser itself finds a lone LF only where the body is cut behind it, and takes it for
    white space otherwise.
    """

    def _on_segment_headerline(self, line: bytes | bytearray) -> None:
        if _CONTROLS.search(line):
            raise MultipartError("Unexpected character in segment header")
        super()._on_segment_headerline(line)


@dataclass(slots=True, eq=False)
class FormReader:
    """The parser of one body."""

    boundary: str
    repeated: frozenset[str] = frozenset()
    """Names that may come more than once, besides those that end in `[]`."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Strings; lists of strings for names that may come more than once."""
    files: list[FormFile] = field(default_factory=list)
    _parser: PushMultipartParser = field(init=False)
    _name: str = ""
    _value: bytearray | None = None
    _fields_bytes: int = 0
    _ended: bool = False
    _bracketed: dict[str, bool] = field(default_factory=dict)
    """Names before their brackets, and whether they have any."""
    _head: bytearray | None = field(default_factory=bytearray)
    """The first bytes, until they are enough to hold the first boundary."""

    def __post_init__(self) -> None:
        self._parser = _StrictParser(
            self.boundary,
            max_header_size=HEADER_BYTES_MAX,
            max_segment_count=PARTS_MAX,
            strict=True,
        )

    @classmethod
    def of(cls, content_type: str, repeated: frozenset[str] = frozenset()) -> FormReader:
        """Make the reader for a request with this content type. Raises `RefusedRequest`."""
        kind, semicolon, rest = content_type.partition(";")
        kind = kind.strip().lower()
        if kind != _FORM:
            raise RefusedRequest(
                Failure(
                    FailureKind.UNSUPPORTED_MEDIA,
                    f"This route takes {_FORM}, not {kind[:100] or 'a body without a type'}.",
                )
            )
        given = _parameters(semicolon + rest, "its Content-Type")
        boundary = "" if "boundary*" in given else given.get("boundary", "")
        if not 0 < len(boundary) <= BOUNDARY_CHARS_MAX or not boundary.isascii():
            raise _refused("its Content-Type has no boundary")
        return cls(boundary, repeated)

    def feed(self, chunk: bytes) -> list[FileData]:
        """Take bytes of the body; return what they hold of files. Raises `RefusedRequest`."""
        if self._head is not None:
            chunk = self._begun(self._head, chunk)
        if not chunk or self._ended:
            return []
        found: list[FileData] = []
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is None:
                    self._end()
                elif self._value is None:
                    self.files[-1].size_bytes += len(event)
                    found.append(FileData(len(self.files) - 1, bytes(event)))
                else:
                    self._add(event)
        except MultipartError as broken:
            if str(broken).startswith(_AFTER_THE_END):
                # It is no part of the form (RFC 2046, 5.1.1), and the parser, which is
                # strict about it, says so in no other way.
                self._ended = True
                return found
            raise _refused(str(broken).rstrip(".") or "it is malformed") from None
        return found

    def close(self) -> None:
        """The body has ended. Raises `RefusedRequest` when the form has not."""
        if self._ended:
            return
        try:
            self._parser.close()
        except MultipartError:
            raise _refused("it ends before its last boundary") from None

    def _begun(self, head: bytearray, chunk: bytes) -> bytes:
        """Hold that the body begins with its boundary; nothing is read before that is known.

        What stands before a boundary is no part of the form (RFC 2046, 5.1.1). The parser
        skips it or not, as the body happens to be cut; another one may read it.
        """
        head += chunk
        first = b"--" + self.boundary.encode()
        if len(head) < len(first) + len(_LINE_END):
            return b""
        if not head.startswith((first, _LINE_END + first)):
            raise _refused("it does not begin with its boundary")
        self._head = None
        return bytes(head)

    def _begin(self, segment: MultipartSegment) -> None:
        names = [name for name, _ in segment.headerlist]
        unknown = set(names) - _HEADERS
        if unknown:
            raise _refused(f"a part has the header {min(unknown)[:64]!r}")
        if len(set(names)) != len(names):
            raise _refused("a part has a header twice")
        name = segment.name
        if segment.disposition != "form-data" or not name:
            raise _refused("a part has no name")
        _, semicolon, rest = dict(segment.headerlist)[_DISPOSITION].partition(";")
        given = _parameters(semicolon + rest, "a part's Content-Disposition")
        if "name*" in given or ("filename*" in given and "filename" not in given):
            raise _refused("a part's Content-Disposition has a name in one encoding only")
        self._note_bracket(name)
        if segment.filename is not None:
            self._value = None
            file = FormFile(name, segment.filename, segment.content_type or "")
            self.files.append(file)
            return
        if name in self.fields and not self._may_repeat(name):
            raise RefusedRequest(
                Failure(
                    FailureKind.BAD_REQUEST,
                    f"The form has the field {name[:64]!r} twice. Send it once.",
                    param=name[:64],
                )
            )
        self._name, self._value = name, bytearray()

    def _note_bracket(self, name: str) -> None:
        """Hold that `model` and `model[x]` do not both stand for the model."""
        base, bracket, _ = name.partition("[")
        if self._bracketed.setdefault(base, bool(bracket)) is not bool(bracket):
            raise RefusedRequest(
                Failure(
                    FailureKind.BAD_REQUEST,
                    f"The form has the field {base[:64]!r} with and without brackets. Send one.",
                    param=base[:64],
                )
            )

    def _add(self, data: bytes | bytearray) -> None:
        value = self._value
        if value is None:
            raise LookupError("data outside of a field")
        value += data
        self._fields_bytes += len(data)
        if len(value) > FIELD_BYTES_MAX or self._fields_bytes > FIELDS_BYTES_MAX:
            raise RefusedRequest(
                Failure(
                    FailureKind.TOO_LARGE,
                    f"The form's fields are too long: at most {FIELD_BYTES_MAX >> 10} KiB each and "
                    f"{FIELDS_BYTES_MAX >> 20} MiB together.",
                    param=self._name[:64],
                )
            )

    def _end(self) -> None:
        if self._value is None:
            return
        try:
            text = self._value.decode()
        except UnicodeDecodeError:
            raise _refused(f"the field {self._name[:64]!r} is not UTF-8") from None
        if self._may_repeat(self._name):
            self.fields.setdefault(self._name, []).append(text)
        else:
            self.fields[self._name] = text
        self._value = None

    def _may_repeat(self, name: str) -> bool:
        return name in self.repeated or name.endswith("[]")


def _parameters(text: str, where: str) -> dict[str, str]:
    """The parameters of a header by lower-case name. Raises `RefusedRequest`."""
    found: dict[str, str] = {}
    at = 0
    while (parameter := _PARAMETER.match(text, at)) is not None:
        name = parameter["name"].lower()
        if name in found:
            raise _refused(f"{where} states {name[:64]!r} twice")
        found[name] = parameter["quoted"] if parameter["plain"] is None else parameter["plain"]
        at = parameter.end()
    # A semicolon at the end is written by some clients, and says nothing.
    if text[at:].strip(" \t") not in {"", ";"}:
        raise _refused(f"{where} can be read in two ways")
    return found


def _refused(why: str) -> RefusedRequest:
    return RefusedRequest(
        Failure(FailureKind.BAD_REQUEST, f"The form cannot be read: {why[:200]}.")
    )
