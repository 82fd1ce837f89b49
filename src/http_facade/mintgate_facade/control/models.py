"""What control requests may say; anything else is refused."""

from __future__ import annotations

from typing import Annotated, Literal

from mintgate.places import (
    CIDR_CHARACTERS_MAX,
    CIDRS_MAX,
    ORIGIN_CHARACTERS_MAX,
    ORIGINS_MAX,
)
from pydantic import BaseModel, ConfigDict, Field

from mintgate_facade.control.reading import Usd

MILLISECONDS_MAX = 1 << 52
PAGE_MAX = 1_000
GRACE_MS_MAX = 30 * 24 * 3_600_000

Name = Annotated[str, Field(strict=True, min_length=1, max_length=200)]
ExternalUserId = Annotated[str, Field(strict=True, max_length=200)]
Milliseconds = Annotated[int, Field(strict=True, ge=0, le=MILLISECONDS_MAX)]
Metadata = Annotated[
    dict[
        Annotated[str, Field(strict=True, min_length=1, max_length=64)],
        Annotated[str, Field(strict=True, max_length=500)],
    ],
    Field(max_length=32),
]
Origins = Annotated[
    list[Annotated[str, Field(strict=True, min_length=1, max_length=ORIGIN_CHARACTERS_MAX)]],
    Field(max_length=ORIGINS_MAX),
]
Cidrs = Annotated[
    list[Annotated[str, Field(strict=True, min_length=1, max_length=CIDR_CHARACTERS_MAX)]],
    Field(max_length=CIDRS_MAX),
]
Names = list[Annotated[str, Field(strict=True, min_length=1, max_length=200)]]


class Strict(BaseModel):
    """A document in which an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class WindowCapSettings(Strict):
    """A hard cap that begins anew with every calendar window."""

    period: Literal["day", "week", "month"]
    time_zone: Annotated[str, Field(strict=True, min_length=1, max_length=64)] = Field(
        "UTC", description="IANA name of the zone whose midnight ends a window."
    )
    max_spend_usd: Usd


class RateLimitSettings(Strict):
    """Limits that protect providers, not money; null or 0 means none."""

    requests_per_minute: Annotated[int, Field(strict=True, ge=0, le=10_000_000)] | None = None
    tokens_per_minute: Annotated[int, Field(strict=True, ge=0, le=1 << 40)] | None = None
    open_requests: Annotated[int, Field(strict=True, ge=0, le=100_000)] | None = Field(
        None, description="Requests that run at the same time."
    )


class KeySettings(Strict):
    """What may be set on a key, at its minting and later."""

    max_spend_usd: Usd | None = Field(
        None, description="Hard cap over the key's life, USD, at most nine decimals; null: none."
    )
    window_cap: WindowCapSettings | None = Field(
        None, description="A hard cap by calendar, beside the one over the key's life."
    )
    rate_limits: RateLimitSettings | None = Field(None, description="Replaced as a whole.")
    expires_at: Milliseconds | None = Field(
        None, description="Milliseconds since 1970; null or 0 means never."
    )
    external_user_id: ExternalUserId | None = Field(None, description="Your own id of the user.")
    metadata: Metadata | None = Field(None, description="Replaced as a whole.")
    allowed_models: Names | None = Field(
        None, description="Shell-style patterns of models; null or empty means all."
    )
    allowed_providers: Names | None = Field(
        None, description="Provider slugs; null or empty means all."
    )
    allowed_origins: Origins | None = Field(
        None,
        description="Browser origins, such as https://app.example.com or https://*.example.com; "
        "null or empty means all. Requests without an origin are refused where there are any.",
    )
    allowed_cidrs: Cidrs | None = Field(
        None,
        description="Ranges of client addresses, IPv4 or IPv6; null or empty means all.",
    )
    unbounded_output: Literal["fit", "reject"] | None = Field(
        None,
        description="When a request states no output limit: give it one that fits the cap, "
        "or never touch it and hold the model's maximum.",
    )
    on_disconnect: Literal["abort", "drain"] | None = Field(
        None,
        description="When the client leaves: stop the provider and charge what was delivered, "
        "or read the answer to its end and charge its exact usage.",
    )


class MintKey(KeySettings):
    """Body of `POST /v1/keys`."""

    name: Name
    scope: Literal["standard", "master", "admin"] = Field(
        "standard", description="`admin` is another word for `master`."
    )


class ChangeKey(KeySettings):
    """Body of `PATCH /v1/keys/{id}`: only fields that are there are changed."""

    name: Name | None = None
    status: Literal["active", "paused"] | None = None


class RotateKey(Strict):
    """Body of `POST /v1/keys/{id}/rotate`; may be left away."""

    grace_ms: Annotated[int, Field(strict=True, ge=0, le=GRACE_MS_MAX)] = Field(
        0, description="How long the old secret goes on to work; 0: not at all."
    )


class MakeAccount(Strict):
    """Body of `POST /v1/accounts`."""

    name: Name
    postpaid: Annotated[bool, Field(strict=True)] = False
    grant_usd: Usd | None = Field(None, description="First balance of a prepaid wallet, USD.")


class KeyPage(Strict):
    """Query of `GET /v1/keys`."""

    limit: int = Field(100, ge=1, le=PAGE_MAX)
    cursor: str = Field("", max_length=500, description="`next_cursor` of the page before.")
    external_user_id: str = Field("", max_length=200)


class Window(Strict):
    """Query of `GET /v1/usage`."""

    from_ms: int = Field(
        0, ge=0, le=MILLISECONDS_MAX, description="Inclusive; default: start of this UTC month."
    )
    to_ms: int = Field(0, ge=0, le=MILLISECONDS_MAX, description="Exclusive; default: now.")


class HoldPage(Strict):
    """How many open holds to list."""

    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 100


class EventPage(Window):
    """Query of `GET /v1/keys/{id}/usage`."""

    limit: int = Field(100, ge=1, le=PAGE_MAX)
    cursor: int = Field(0, ge=0, description="`next_cursor` of the page before.")


class AccountPage(Strict):
    """Query of `GET /v1/accounts`."""

    limit: int = Field(100, ge=1, le=PAGE_MAX)
    cursor: str = Field("", max_length=500)
