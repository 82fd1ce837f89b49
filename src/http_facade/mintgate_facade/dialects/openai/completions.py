"""Reads `POST /completions`, the legacy route (openai/types/completion_create_params.py).

Mistral's `POST /v1/fim/completions` and DeepSeek's `POST /beta/completions` fill in the
middle of a text: the same fields, with a suffix.
"""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import (
    OUTPUT_TOKENS_MAX,
    Fields,
    forbid,
    integer,
    model_name,
    refused,
)
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.openai.chat import input_units, stream_and_usage, tier_variants
from mintgate_facade.dialects.openai.content import Content
from mintgate_facade.dialects.openai.flavor import Flavor
from mintgate_facade.dialects.overheads import input_bound

CHOICES_MAX = 1_024
"""Most answers that the ledger accepts in one bound: prompts times choices."""


def read_completion(request: RequestView, flavor: Flavor) -> Ask:
    """Bound a completion: every candidate of `best_of` is generated and billed."""
    document = request.document
    model = model_name(document)
    forbid(document, flavor.forbidden)
    wanted = integer(document, "n", 1, flavor.choices_max) or 1
    best_of = integer(document, "best_of", 1, flavor.choices_max) or wanted
    if best_of < wanted:
        raise refused(f"'best_of' must be at least 'n' ({wanted}).", "best_of")
    choices = best_of * _prompts(document)
    if choices > CHOICES_MAX:
        raise refused(
            f"'prompt' and 'best_of' ask for {choices} answers; at most {CHOICES_MAX} fit in one "
            "request.",
            "prompt",
        )
    limit = integer(document, "max_tokens", 0, OUTPUT_TOKENS_MAX, unit="tokens")
    tokens = input_bound(len(request.body), tools=False, hosted=False)
    stream, body, hide = stream_and_usage(request, flavor)
    return Ask(
        model=model,
        bound=Bound(
            input_tokens=tokens,
            input_units=input_units(Content(model), flavor),
            output_tokens=flavor.completion_tokens_default if limit is None else limit,
            choices=choices,
            variants=tier_variants(document, flavor),
        ),
        body=body,
        stream=stream,
        hide_usage=hide,
        delivered_input_tokens=delivered_input(tokens, len(request.body)),
    )


def _prompts(document: Fields) -> int:
    """Count the prompts: a string or a list of tokens is one, any other list one each."""
    prompt = document.get("prompt")
    if prompt is None or isinstance(prompt, str):
        return 1
    if not isinstance(prompt, list):
        raise refused("'prompt' must be a string or an array.", "prompt")
    return 1 if not prompt or type(prompt[0]) is int else len(prompt)
