"""How OpenAI's operations are bounded and metered, in words; see `Terms`."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.openai.flavor import Flavor
from mintgate_facade.dialects.terms import Terms

_INPUT = (
    "input: the body's bytes, pictures at their largest token count, the context window for what "
    "stands elsewhere"
)
_USAGE = "the usage that it states, cached tokens apart, at the tier that it names"
_STREAMED = "in a stream the usage on its last chunk"

_CHAT_LIMIT = "output: the stated limit times `n`"
_OPEN_LIMIT = "output: the model's largest, as the limit holds visible text only"

_TERMS: Mapping[str, Terms] = {
    "responses": Terms(
        f"{_INPUT}; output: `max_output_tokens`; web searches: `max_tool_calls`, each with a pass "
        "of the whole input",
        f"{_USAGE}; searches by the calls in the answer",
    ),
    "completions": Terms(
        "input: the body's bytes; output: `max_tokens` times prompts times the larger of `n` and "
        "`best_of`",
        f"{_USAGE}; {_STREAMED}",
    ),
    "compact": Terms(
        f"{_INPUT}; output: the model's largest, as no field limits it",
        "the usage that it states, cached tokens apart, at the tier that was asked for; the whole "
        "hold when it states none",
    ),
    "fim": Terms("input: the body's bytes; output: `max_tokens`", f"{_USAGE}; {_STREAMED}"),
    "embeddings": Terms("input: the body's bytes; no output", _USAGE),
    "batch": Terms(
        "the sum of what each request of its file is bounded by, at the batch price; files that "
        "were stored with the purpose `batch`, of one model and route, without stored content",
        "the usage of the whole batch, when it has ended; the whole hold when it states none",
    ),
    "images": Terms(
        "input: the body's bytes; output: the tokens of size and quality times `n`, partial "
        "pictures, and 16,384 to plan each on models that do; only gpt-image models",
        "the usage that it states, pictures apart from text; the whole hold when it states none",
    ),
    "image_edit": Terms(
        "input: the fields' bytes, and 8,192 tokens for each picture that is sent, masks included; "
        "output: as for generations",
        "the usage that it states, pictures apart from text; the whole hold when it states none",
    ),
    "speech": Terms(
        "the characters of `input` (tts-1); else the body's bytes, and 6 tokens for each "
        "character but 400 at least",
        "the characters (tts-1); the usage of a stream; else the length of the audio that passes",
    ),
    "transcription": Terms(
        "the decoded length of the upload, rounded up to seconds (whisper-1); else 10 tokens a "
        "second of it and 25 written tokens a second",
        "the usage that it states, in tokens or seconds; the decoded length when it states none",
    ),
    "translation": Terms(
        "the decoded length of the upload, rounded up to seconds (whisper-1)",
        "the decoded length of the upload",
    ),
}


def terms_of(flavor: Flavor) -> Mapping[str, Terms]:
    """Tell the terms of a vendor: OpenAI's, changed by its flavor, and those of its own."""
    limit = _OPEN_LIMIT if flavor.visible_limit else _CHAT_LIMIT
    usage = "the cost that it states (`cost_in_usd_ticks`)" if flavor.states_cost else _USAGE
    own = {name: operation.terms for name, operation in flavor.operations.items()}
    terms = {**_TERMS, "chat": Terms(f"{_INPUT}; {limit}", f"{usage}; {_STREAMED}")}
    if flavor.states_cost:
        terms |= {
            name: Terms(terms[name].bounded_by, usage) for name in ("responses", "embeddings")
        }
    if not flavor.hosted_search:
        terms["responses"] = Terms(f"{_INPUT}; output: `max_output_tokens`", usage)
    return {**terms, **{name: told for name, told in own.items() if told is not None}}
