# What is used of multipart 2.0, which brings no types of its own.

from collections.abc import Iterator

class MultipartError(ValueError): ...

class MultipartSegment:
    headerlist: list[tuple[str, str]]
    disposition: str | None
    name: str | None
    filename: str | None
    content_type: str | None

class PushMultipartParser:
    def __init__(
        self,
        boundary: str | bytes,
        content_length: int = ...,
        max_header_size: int = ...,
        max_header_count: int = ...,
        max_segment_size: float = ...,
        max_segment_count: float = ...,
        header_charset: str = ...,
        strict: bool = ...,
    ) -> None: ...
    def parse(
        self, chunk: bytes | bytearray
    ) -> Iterator[MultipartSegment | bytes | bytearray | None]: ...
    def close(self, check_complete: bool = ...) -> None: ...
    def _on_segment_headerline(self, line: bytes | bytearray) -> None: ...

def parse_options_header(header: str) -> tuple[str, dict[str, str]]: ...
