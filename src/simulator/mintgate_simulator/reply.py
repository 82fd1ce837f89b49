"""What an answer says: a fixed text in pieces of one token, as long as it was asked to be."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .tokens import BYTES_PER_TOKEN, tokens_of, utf8_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .control import Controls
    from .tools import ToolCall

# Each piece is four UTF-8 bytes, one token by the simulator's rule. Two letters lie outside ASCII,
# so that a relay that decodes a stream at the wrong byte is found out.
PIECES: tuple[str, ...] = (
    "Hell", "o fr", "om t", "he s", "imul", "ator", ": th", "is c", "afé", " in ",
    "Zür", "ich ", "says", " the", " sam", "e to", " all", ", fo", "r fr", "ee. ",
)  # fmt: skip
DEFAULT_TOKENS = len(PIECES)
THOUGHT_TOKENS_DEFAULT = 8
"""Thinking tokens of an answer whose request turned thinking on."""
SUMMARY_TOKENS_MAX = 32
"""Visible part of the thinking: providers show a summary that is shorter than what they bill."""
ARGUMENT_PIECE_CHARACTERS = 8
"""Characters of one streamed piece of a tool's arguments."""
TEXTS_KEPT_MAX = 64


@dataclass(frozen=True, slots=True)
class Reply:
    """One planned choice of an answer.

    ``tokens`` counts what is visible (text or tool arguments), ``reasoning`` what is hidden.
    ``cut`` says that the request's own output limit ended it. ``arguments`` is what fits of the
    call's JSON text.
    """

    pieces: Sequence[str]
    tokens: int
    reasoning: int
    cut: bool
    call: ToolCall | None = None
    arguments: str = ""

    @property
    def text(self) -> str:
        """The whole visible text."""
        return "".join(self.pieces)

    @property
    def output(self) -> int:
        """Visible and hidden tokens together."""
        return self.tokens + self.reasoning


def plan_reply(
    controls: Controls,
    *,
    limit: int | None,
    call: ToolCall | None = None,
    thinking: bool = False,
) -> Reply:
    """The reply for a request whose output limit, hidden tokens included, is ``limit`` tokens."""
    reasoning = controls.reasoning
    if reasoning is None:
        reasoning = THOUGHT_TOKENS_DEFAULT if thinking else 0
    wanted = controls.output
    if wanted is None:
        wanted = DEFAULT_TOKENS if call is None else tokens_of(utf8_length(call.arguments))
    if limit is None:
        hidden, visible = reasoning, wanted
    else:
        hidden = min(reasoning, limit)
        visible = min(wanted, limit - hidden)
    cut = hidden < reasoning or visible < wanted
    if call is None:
        return Reply(pieces_of(visible), visible, hidden, cut)
    arguments = call.arguments
    if cut:
        arguments = arguments.encode()[: visible * BYTES_PER_TOKEN].decode(errors="ignore")
    return Reply((), visible, hidden, cut, call, arguments)


@lru_cache(maxsize=TEXTS_KEPT_MAX)
def pieces_of(count: int) -> tuple[str, ...]:
    """The first ``count`` tokens of the fixed text, repeated as often as needed."""
    whole, rest = divmod(count, DEFAULT_TOKENS)
    return PIECES * whole + PIECES[:rest]


def text_deltas(reply: Reply, chunks: int | None) -> Sequence[str]:
    """The text as it is streamed: one token a chunk, or exactly ``chunks`` chunks."""
    if chunks is None:
        return reply.pieces
    return _split_evenly(reply.text, chunks)


def argument_deltas(reply: Reply, chunks: int | None) -> Sequence[str]:
    """A tool's arguments as they are streamed."""
    if chunks is not None:
        return _split_evenly(reply.arguments, chunks)
    size = ARGUMENT_PIECE_CHARACTERS
    return [reply.arguments[at : at + size] for at in range(0, len(reply.arguments), size)]


def thought_summary(reply: Reply) -> str:
    """The visible summary of the thinking; empty when there was none."""
    return "".join(pieces_of(min(reply.reasoning, SUMMARY_TOKENS_MAX)))


def _split_evenly(text: str, chunks: int) -> list[str]:
    """``text`` in ``chunks`` parts of nearly the same length, never an empty one."""
    count = min(chunks, len(text))
    edges = [len(text) * index // count for index in range(count + 1)] if count else [0]
    return [text[start:end] for start, end in itertools.pairwise(edges)]
