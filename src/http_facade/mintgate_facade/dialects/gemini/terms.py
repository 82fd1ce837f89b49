"""How Gemini's operations are bounded and metered, in words; see `Terms`."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.terms import Terms

_GENERATE = Terms(
    "input: the body's bytes, pictures at their largest token count, the context window for "
    "video, documents and addresses, the tokens of a cache; output: `maxOutputTokens` times "
    "`candidateCount`, at the dearest kind that may come back; search grounding by the request",
    "`usageMetadata` by kind, thoughts as output; tokens of no stated kind at the dearest",
)
_EMBED = Terms(
    "input: the body's bytes; text only", "the text at three bytes a token, as it states no usage"
)

_BATCH = Terms(
    "the sum of its requests, each bounded as if it came alone, at the batch price; those of a "
    "file are bounded when it is stored in one piece",
    "`usageMetadata` of its answers at the batch price; failed and cancelled ones are free",
)

TERMS: Mapping[str, Terms] = {
    "generate": _GENERATE,
    "stream": _GENERATE._replace(metered_by=f"{_GENERATE.metered_by}; that of the last chunk"),
    "embed": _EMBED,
    "embed_batch": _EMBED,
    "batch": _BATCH,
    "batch_embed": _BATCH._replace(
        metered_by="`tokenCount` of its answers, else the text of all of them; failed ones are free"
    ),
    "video": Terms(
        "`durationSeconds`, or eight, times `sampleCount`, at the price of the resolution or the "
        "standard one",
        "the videos that the operation has made, each with its seconds, at the price of the "
        "resolution; filtered ones and a failed operation are free",
    ),
    "cache": Terms(
        "input: as of a generation; storage: its tokens for `ttl`, or until `expireTime`, at most "
        "seven days; an hour if neither is stated",
        "`usageMetadata.totalTokenCount` as input, at the dearest kind that its contents may be; "
        "those tokens for the time between `createTime` and `expireTime`",
    ),
}
