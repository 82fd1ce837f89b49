"""Forms are read strictly, in any pieces, and never in two ways."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate_facade.dialects.base import FailureKind, RefusedRequest
from mintgate_facade.uploads.form import FIELD_BYTES_MAX, PARTS_MAX, FormReader

BOUNDARY = "b0undary"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
NAMES = st.text("abcdefgh_", min_size=1, max_size=12)


def part(name: str, content: bytes, *, filename: str | None = None, extra: str = "") -> bytes:
    given_name = "" if filename is None else f'; filename="{filename}"'
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{given_name}\r\n{extra}\r\n'
    )
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def read(body: bytes, *cuts: int) -> tuple[FormReader, list[bytes]]:
    reader = FormReader.of(TYPE)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    files: list[bytes] = []
    for start, end in pairwise(edges):
        for data in reader.feed(body[start:end]):
            while len(files) <= data.file_index:
                files.append(b"")
            files[data.file_index] += data.data
    reader.close()
    return reader, files


def refusal(body: bytes) -> tuple[FailureKind, str]:
    with pytest.raises(RefusedRequest) as caught:
        read(body)
    return caught.value.failure.kind, caught.value.failure.message


def test_nothing_stands_before_the_first_boundary() -> None:
    """A preamble is refused however the body is cut; a line end alone is none."""
    whole = form(part("a", b"b"))
    for cuts in ((), (3,), (20,)):
        assert read(b"\r\n" + whole, *cuts)[0].fields == {"a": "b"}
        with pytest.raises(RefusedRequest):
            read(b"junk\r\n" + whole, *cuts)


@pytest.mark.parametrize("odd", ["\n", "\r", "\x00"])
def test_a_header_is_one_line(odd: str) -> None:
    """A line end within a header is refused however the body is cut."""
    whole = form(part("a", b"b").replace(b"Disposition", f"Disposition{odd}".encode()))
    for cut in range(1, len(whole)):
        with pytest.raises(RefusedRequest):
            read(whole, cut)


@given(
    fields=st.dictionaries(NAMES, st.text(max_size=60), max_size=5),
    content=st.binary(max_size=400),
    cuts=st.lists(st.integers(0, 900), max_size=8),
)
def test_pieces_make_no_difference(fields: dict[str, str], content: bytes, cuts: list[int]) -> None:
    """However a body is cut, its fields and its file are what was sent."""
    if f"--{BOUNDARY}".encode() in content:
        return
    parts = [part(name, value.encode()) for name, value in fields.items()]
    body = form(*parts, part("file", content, filename="a.mp3"))
    reader, files = read(body, *cuts)
    assert reader.fields == fields
    assert b"".join(files) == content
    assert [(file.name, file.size_bytes) for file in reader.files] == [("file", len(content))]


def test_names_with_brackets_are_lists() -> None:
    """A field that may repeat says so in its name, as SDKs write it."""
    body = form(part("include[]", b"logprobs"), part("include[]", b"usage"), part("model", b"m"))
    assert read(body)[0].fields == {"include[]": ["logprobs", "usage"], "model": "m"}


def test_a_route_says_what_may_repeat() -> None:
    """Names that a route lists are lists, also of one; all others still come once."""
    reader = FormReader.of(TYPE, frozenset({"keyterms"}))
    reader.feed(form(part("keyterms", b"a"), part("keyterms", b"b"), part("model", b"m")))
    reader.close()
    assert reader.fields == {"keyterms": ["a", "b"], "model": "m"}
    reader = FormReader.of(TYPE, frozenset({"keyterms"}))
    with pytest.raises(RefusedRequest):
        reader.feed(form(part("keyterms", b"a"), part("model", b"m"), part("model", b"n")))


def test_a_field_twice_is_refused() -> None:
    """Two models in one form would be held as one and billed as the other."""
    kind, message = refusal(form(part("model", b"whisper-1"), part("model", b"gpt-4o-transcribe")))
    assert kind is FailureKind.BAD_REQUEST
    assert "'model' twice" in message


@pytest.mark.parametrize(
    "boundaries",
    [
        "boundary=other; boundary=b0undary",
        'Boundary="other"; boundary=b0undary',
        "boundary*=utf-8''other; boundary=b0undary",
        "boundary=other, multipart/form-data; boundary=b0undary",
        'x="\\"; boundary=other; y="; boundary=b0undary',
    ],
)
def test_a_form_has_one_boundary(boundaries: str) -> None:
    """By another boundary the same bytes are another form, with another model in it."""
    with pytest.raises(RefusedRequest) as caught:
        FormReader.of(f"multipart/form-data; {boundaries}").feed(form(part("model", b"m")))
    assert caught.value.failure.kind is FailureKind.BAD_REQUEST


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data;boundary=b0undary",
        'Multipart/Form-Data ; charset=utf-8; boundary="b0undary";',
    ],
)
def test_a_content_type_is_read_as_it_is_written(content_type: str) -> None:
    """Case, white space, quotes and further parameters do not matter."""
    reader = FormReader.of(content_type)
    reader.feed(form(part("model", b"m")))
    reader.close()
    assert reader.fields == {"model": "m"}


@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="a"; name="model"',
        'Content-Disposition: form-data; name="a"; NAME="model"',
        "Content-Disposition: form-data; name=\"a\"; name*=utf-8''model",
        "Content-Disposition: form-data; name=\"model\"; filename*=utf-8''a",
        'Content-Disposition: form-data; name="a\\"; name="model"',
        'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="model"',
    ],
)
def test_a_part_has_one_name(head: str) -> None:
    """What one parser takes for some field or a file must not be the model for another."""
    kind, _ = refusal(f"--{BOUNDARY}\r\n{head}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode())
    assert kind is FailureKind.BAD_REQUEST


def test_a_file_may_have_any_name() -> None:
    """Names of files in two encodings, and those with a path of Windows, are read."""
    given_name = "; filename=\"C:\\sounds\\a.wav\"; filename*=utf-8''%C3%A4.wav"
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"{given_name}\r\n\r\n'
    reader, files = read(form(head.encode() + b"x\r\n"))
    assert (reader.files[0].name, files) == ("file", [b"x"])


@pytest.mark.parametrize("names", [("model", "model[a]"), ("model[]", "model")])
def test_a_field_with_and_without_brackets_is_refused(names: tuple[str, str]) -> None:
    """The parts of an object never stand for a field of its name."""
    kind, message = refusal(form(*[part(name, b"m") for name in names]))
    assert kind is FailureKind.BAD_REQUEST
    assert "'model' with and without brackets" in message


@pytest.mark.parametrize(
    "body",
    [
        form(part("model", b"whisper-1"))[:-14],
        form(part("model", b"\xff\xfe")),
        form(part("model", b"x", extra="Content-Transfer-Encoding: base64\r\n")),
        form(f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n".encode()),
        form(*[part(f"f{n}", b"") for n in range(PARTS_MAX + 1)]),
        b"no form at all",
    ],
    ids=["truncated", "not utf-8", "encoded", "no name", "too many", "none"],
)
def test_what_can_be_misread_is_refused(body: bytes) -> None:
    """A malformed form is told apart from a good one before anything is forwarded."""
    kind, message = refusal(body)
    assert kind is FailureKind.BAD_REQUEST
    assert message.startswith("The form cannot be read: ")


def test_fields_are_bounded() -> None:
    """A field is kept in memory, so it may not be endless."""
    kind, _ = refusal(form(part("prompt", b"x" * (FIELD_BYTES_MAX + 1))))
    assert kind is FailureKind.TOO_LARGE


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", FailureKind.UNSUPPORTED_MEDIA),
        ("", FailureKind.UNSUPPORTED_MEDIA),
        ("multipart/form-data", FailureKind.BAD_REQUEST),
        ("multipart/form-data; boundary=" + "b" * 300, FailureKind.BAD_REQUEST),
    ],
)
def test_a_body_that_is_no_form(content_type: str, kind: FailureKind) -> None:
    """The content type decides, and must bring a boundary."""
    with pytest.raises(RefusedRequest) as caught:
        FormReader.of(content_type)
    assert caught.value.failure.kind is kind


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=4))
def test_noise_is_refused_and_nothing_else(noise: bytes, cuts: list[int]) -> None:
    """Whatever comes, a form is read or refused; no other error leaves the reader."""
    body = f"--{BOUNDARY}\r\n".encode() + noise
    with contextlib.suppress(RefusedRequest):
        read(body, *cuts)
