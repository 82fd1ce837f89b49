"""How DashScope's operations are bounded and metered, in words; see `Terms`."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.dashscope.tasks import PICTURES, TRANSCRIPT, VIDEO
from mintgate_facade.dialects.terms import Terms

_INPUT = (
    "input: the body's bytes, pictures at 16,384 tokens, the context window for videos and for "
    "what stands elsewhere"
)
_OUTPUT = (
    "output: the stated limit, and beside it `thinking_budget` or 131,072 tokens where the model "
    "may reason, times `n`"
)
_USAGE = "the usage that it states, at the lower price where it shows no reasoning"
_SPEECH = Terms("the bytes of the text", "`characters`; those of the text where it states none")

CHAT = Terms(f"{_INPUT}; {_OUTPUT}", f"{_USAGE}; in a stream the usage on its last chunk")
"""Of the OpenAI-compatible shape."""

TERMS: Mapping[str, Terms] = {
    "generation": Terms(f"{_INPUT}; {_OUTPUT}", f"{_USAGE}; in a stream that of the last event"),
    "multimodal": Terms(
        f"{_INPUT}; {_OUTPUT}. Speech: the bytes of the text. Pictures: `n`, else four",
        f"{_USAGE}. Speech: `characters`. Pictures: `image_count`",
    ),
    "speech": _SPEECH,
    "embeddings": Terms("input: the body's bytes; no output", "the total that it states"),
    "rerank": Terms(
        "input: the body's bytes, and the query once with each document; no output",
        "the total that it states",
    ),
    PICTURES: Terms(
        "pictures: `n`, else four; twelve of a group (`enable_sequential`)",
        "`image_count` at the end of the task; a task that fails costs nothing",
    ),
    VIDEO: Terms(
        "seconds: `duration`, else 30, at the price of the dearest resolution; no video is taken "
        "as input",
        "`duration` at the resolution that the end of the task states (`SR`); a task that fails "
        "costs nothing",
    ),
    TRANSCRIPT: Terms(
        "twelve hours for each file and channel, the longest that is taken",
        "`duration` at the end of the task; a task that fails costs nothing",
    ),
}
