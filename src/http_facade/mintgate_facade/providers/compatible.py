"""What vendors of OpenAI-compatible routes have in common: why a row is denied, and which.

An SDK of OpenAI's, pointed at another vendor, knows every path of OpenAI's. Each
has a row there too, so that it is refused with a reason and never forwarded.
"""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.anthropic import COMPATIBLE, AnthropicDialect
from mintgate_facade.dialects.base import Route
from mintgate_facade.providers.base import Surface, denied, free, local, metered
from mintgate_facade.providers.reasons import ADMIN, BYPASS, DEFERRED, STORED

MISSING = "This provider has no such route. Ask one that has it, under that provider's prefix."
UPLOAD = "Requests with uploaded files are not served here."
LEGACY = "Legacy completions are not served. Use POST /chat/completions."
SOCKET = "It is a WebSocket, which this gateway does not serve."

RATE_HEADERS = frozenset(
    f"x-ratelimit-{part}-{kind}".encode()
    for part in ("limit", "remaining", "reset")
    for kind in (
        "requests",
        "requests-day",
        "requests-minute",
        "tokens",
        "tokens-day",
        "tokens-minute",
    )
)
"""They tell how much of the operator's own limits is left."""

_OPENAI: Mapping[str, str] = {
    "/agents/*": MISSING,
    "/assistants/*": MISSING,
    "/audio/*": MISSING,
    "/batches/*": DEFERRED,
    "/chat/completions/*": STORED,
    "/chatkit/*": MISSING,
    "/completions": MISSING,
    "/containers/*": MISSING,
    "/content_provenance_checks/*": MISSING,
    "/conversations/*": STORED,
    "/decisions/*": MISSING,
    "/embeddings": MISSING,
    "/evals/*": MISSING,
    "/files/*": STORED,
    "/fine_tuning/*": DEFERRED,
    "/images/*": MISSING,
    "/live/*": MISSING,
    "/moderations": MISSING,
    "/organization/*": ADMIN,
    "/projects/*": ADMIN,
    "/realtime/*": BYPASS,
    "/responses/*": MISSING,
    "/safety/*": ADMIN,
    "/skills/*": STORED,
    "/threads/*": MISSING,
    "/uploads/*": STORED,
    "/vaults/*": STORED,
    "/vector_stores/*": STORED,
    "/videos/*": MISSING,
    "/webhook_endpoints/*": ADMIN,
    "/webhook_event_types/*": ADMIN,
}


def denied_paths_of_openai(
    changed: Mapping[str, str] | None = None, *, served: frozenset[str] = frozenset(), at: str = ""
) -> tuple[Route, ...]:
    """Rows for every path of OpenAI's SDK that a vendor does not serve.

    `changed` gives another reason, `served` names the rows that the vendor's own
    table has instead, `at` is what its paths begin with, for example "/v1".
    """
    reasons = {**_OPENAI, **(changed or {})}
    rows = (denied(reason, at + path) for path, reason in reasons.items() if path not in served)
    return tuple(row for pair in rows for row in pair)


def denied_paths_of_messages(at: str = "/v1") -> tuple[Route, ...]:
    """Rows beside `POST /messages` for what Anthropic's SDK keeps or runs later."""
    return (
        *denied(DEFERRED, f"{at}/messages/batches/*"),
        *denied(STORED, f"{at}/files/*", f"{at}/skills/*"),
        *denied(LEGACY, f"{at}/complete"),
    )


def messages_below(
    mount: str, *, auth_header: str = "authorization", auth_format: str = "Bearer {}"
) -> Surface:
    """A vendor's Messages below a path of their own, as several have them."""
    return Surface(
        dialect=AnthropicDialect(COMPATIBLE),
        mount=mount,
        upstream=mount,
        auth_header=auth_header,
        auth_format=auth_format,
        routes=(
            metered("POST", "/v1/messages", "messages"),
            free("POST", "/v1/messages/count_tokens", "count_tokens"),
            local("/v1/models"),
            local("/v1/models/{model}"),
            *denied_paths_of_messages(),
        ),
    )
