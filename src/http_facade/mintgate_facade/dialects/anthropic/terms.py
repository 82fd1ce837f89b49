"""How Anthropic's Messages are bounded and metered, in words; see `Terms`."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.anthropic.flavor import Flavor
from mintgate_facade.dialects.terms import Terms


def terms_of(flavor: Flavor) -> Mapping[str, Terms]:
    """Tell the terms of a vendor by its flavor."""
    output = (
        "the model's largest, as `max_tokens` is not known to hold its reasoning"
        if flavor.visible_limit
        else "`max_tokens`"
    )
    if flavor.widen is not None:
        output = "`max_tokens`, and beside it the longest reasoning that it may not hold"
    writes = (
        "dearer where the cache may be written to unasked"
        if flavor.caches_unasked
        else "dearer where a breakpoint writes to the cache"
    )
    tools = (
        "; tools that the provider runs: `max_uses`, each with a pass of the context window"
        if flavor.server_tools
        else ""
    )
    return {
        "messages": Terms(
            f"input: the body's bytes, pictures at {flavor.image_tokens:,} tokens, the context "
            f"window for what stands elsewhere, {writes}; output: {output}{tools}",
            "the usage that it states: input, cache reads, cache writes for 5 minutes and an "
            "hour, output, searches; in a stream that of its first and last events",
        ),
        "batch": Terms(
            "the sum of what each of its messages is bounded by, at the batch price; one model, "
            "no stored or linked content, no tools that the provider runs",
            "the usage of each message in its results, when it has ended",
        ),
    }
