"""What batches of any vendor share: many requests, each bounded as if it came alone, as one sum."""

from __future__ import annotations

from collections.abc import Callable

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_TOKENS,
    Unit,
)

from mintgate_facade.dialects.base import Ask, RefusedRequest
from mintgate_facade.dialects.checks import refused

VARIANTS = ("processing=batch", "requests=many")
"""At the batch price; and a sum of many, which no context window caps and no tier applies to."""
REQUESTS_MAX = 100_000
"""Of one batch; Anthropic's limit, and twice that of OpenAI."""
LIVES_MS = 48 * 3_600_000
"""A batch takes up to a day, and its last state is read after that."""

_UNITS = frozenset(
    {UNIT_INPUT_IMAGE_TOKENS, UNIT_CACHE_WRITE_5M_TOKENS, UNIT_CACHE_WRITE_1H_TOKENS}
)
"""Kinds of input that the usage of a batch tells apart, or that cost as text does."""
_TEXT = frozenset({UNIT_OUTPUT_TOKENS})

LINE_BYTES_MAX = 8 << 20
"""Of one request, or one answer, in a file of them; a whole file has its own limit."""
_SEPARATORS = (b"\r", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
"""Where a reader of lines other than ours might cut one; JSON can write each as an escape."""


class BoundSum:
    """Adds up what the requests of a batch can cost."""

    def __init__(self) -> None:
        self.model = ""
        self.count = 0
        self.delivered_input_tokens = 0
        self._units: set[Unit.ValueType] = set()
        self._sum = Bound(output_tokens=0, variants=VARIANTS)

    def add(self, ask: Ask, where: str) -> None:
        """Add one request. Raises `RefusedRequest` for one that a batch cannot hold."""
        if reason := _refusal(ask):
            raise refused(f"{where}: {reason}")
        if self.model and ask.model != self.model:
            raise refused(f"{where}: the requests of a batch must name one model.")
        if self.count >= REQUESTS_MAX:
            raise refused(f"A batch holds at most {REQUESTS_MAX} requests.")
        self.model = ask.model
        self.count += 1
        self.delivered_input_tokens += ask.delivered_input_tokens
        bound, total = ask.bound, self._sum
        self._units.update(bound.input_units)
        total.input_tokens += bound.input_tokens
        total.largest_input_tokens = max(total.largest_input_tokens, bound.input_tokens)
        answers = max(1, bound.choices)
        if bound.HasField("output_tokens") and not bound.output_open:
            total.output_tokens += bound.output_tokens * answers
        else:
            total.unlimited_answers += answers

    def bound(self) -> Bound:
        """All of them. Raises `RefusedRequest` when there are none."""
        if not self.count:
            raise refused("The batch holds no requests.")
        whole = Bound()
        whole.CopyFrom(self._sum)
        whole.input_units.extend(sorted(self._units))
        return whole


def _refusal(ask: Ask) -> str:
    """Why a request that may come alone may not be one of a batch; empty when it may."""
    bound = ask.bound
    if ask.uses or bound.input_open:
        return "content that is not in the request cannot be bounded in a batch. Send it inline."
    if bound.passes > 1 or bound.fees:
        return "tools that the provider runs cannot be bounded in a batch."
    if ask.stream or ask.later is not None:
        return "a request of a batch is neither streamed nor made in the background."
    if bound.variants:
        return "a service tier, speed or region has no batch price that this gateway knows."
    if not _UNITS.issuperset(bound.input_units) or not _TEXT.issuperset(bound.output_units):
        return "the usage of a batch does not tell sound and video apart. Send text and pictures."
    return ""


class RequestLines:
    """Hands on each line of a file of requests, with its place; blank ones are none."""

    def __init__(self, take: Callable[[bytes, str], None]) -> None:
        self._take = take
        self._rest = b""
        self._lines = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `RefusedRequest` for a line that cannot be read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > LINE_BYTES_MAX:
            raise refused(f"Line {self._lines + 1} is longer than {LINE_BYTES_MAX} bytes.")

    def end(self) -> None:
        """Take what is behind the last line's end. Raises as above."""
        self._line(self._rest)

    def _line(self, line: bytes) -> None:
        self._lines += 1
        line = line.rstrip()
        if not line:
            return
        where = f"Line {self._lines}"
        if any(separator in line for separator in _SEPARATORS):
            raise refused(f"{where} has a line separator in it. Write it as an escape.")
        self._take(line, where)


def numbered(failure: RefusedRequest, where: str) -> RefusedRequest:
    """The refusal of one request, with its place in front."""
    told = failure.failure
    return refused(f"{where}: {told.message}", told.param, told.code)
