"""`POST /responses/compact`: a long input made short (compacted_response.py).

One pass of the model reads the input, and writes what stands for it, sealed. No field limits
how much it writes, so the model's largest output is held.
"""

from __future__ import annotations

from dataclasses import replace

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import forbid
from mintgate_facade.dialects.openai.flavor import Flavor
from mintgate_facade.dialects.openai.responses import read_response

OPERATION = "compact"

_UNKNOWN = {
    name: f"{name!r} is no field of a compaction. Leave it out."
    for name in (
        "background",
        "conversation",
        "max_output_tokens",
        "max_tool_calls",
        "stream",
        "tools",
    )
}


def read_compaction(request: RequestView, flavor: Flavor) -> Ask:
    """Bound a compaction. Raises `RefusedRequest` for what cannot be bounded."""
    # What a response may have and a compaction may not would be read by rules that nobody states.
    forbid(request.document, _UNKNOWN)
    ask = read_response(request, flavor)
    ask.bound.output_open = True
    # Whoever goes on from it sends it: it is not kept under its id.
    return replace(ask, creates="")
