"""Moonshot (Kimi): https://api.moonshot.ai/v1, and Anthropic's Messages below /anthropic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mintgate_facade.dialects.base import Access, BodyKind, ObjectName
from mintgate_facade.dialects.checks import refused
from mintgate_facade.dialects.openai import Flavor, OpenAIDialect
from mintgate_facade.providers import compatible, reasons
from mintgate_facade.providers.base import (
    Provider,
    Surface,
    denied,
    free,
    kept,
    local,
    metered,
    owned,
)

FLAVOR = Flavor(
    name="moonshot",
    limit_field="max_tokens",
    choices_max=5,
    tiers=frozenset({"auto", "default"}),
    hosted_search=False,
)
"""Its `$web_search` is a tool of the type "builtin_function", which bills each call and puts
the pages into the next request; no such tool is let through."""

FILES_MAX = 100
"""Of one key. Moonshot keeps a thousand for all users of an account together."""
_EXTRACTION = "file-extract"

_ACCOUNT_HEADERS = frozenset({b"msh-gid", b"msh-org-id", b"msh-project-id", b"msh-uid"})


def _for_extraction(form: Mapping[str, Any]) -> tuple[ObjectName, ...]:
    """Hold that a file is stored for its text, which costs nothing and is sent on as text."""
    if form.get("purpose") != _EXTRACTION:
        raise refused(f"Through this gateway 'purpose' may be '{_EXTRACTION}' only.", "purpose")
    return ()


MOONSHOT = Provider(
    slug="moonshot",
    prefixes=("kimi",),
    base_url="https://api.moonshot.ai/v1",
    base_path="/v1",
    models=re.compile(r"kimi-|moonshot-"),
    use="the OpenAI SDK with the base URL <gateway>/kimi/v1",
    # An empty account is a 429 here.
    operator_errors=re.compile(rb"exceeded_current_quota|invalid_authentication"),
    strip_response_headers=compatible.RATE_HEADERS | _ACCOUNT_HEADERS | {b"set-cookie"},
    surfaces=(
        Surface(
            dialect=OpenAIDialect(FLAVOR),
            routes=(
                metered("POST", "/chat/completions", "chat"),
                free("POST", "/tokenizers/estimate-token-count", "count_tokens"),
                owned(
                    "POST",
                    "/files",
                    "file",
                    Access.CREATE,
                    body=BodyKind.FORM,
                    most=FILES_MAX,
                    uses=_for_extraction,
                ),
                *kept("/files", "file", ("GET", "/content")),
                local("/models"),
                local("/models/{model}"),
                *denied(reasons.ADMIN, "/models/{model}", method="DELETE"),
                *denied(reasons.ADMIN, "/users/*"),
                *denied(reasons.STORED, "/caching/*"),
                *denied(compatible.MISSING, "/formulas/*"),
                *compatible.denied_paths_of_openai(),
            ),
        ),
        compatible.messages_below("/anthropic"),
    ),
)
