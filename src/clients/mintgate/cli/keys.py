"""`mintgate keys`: mint, list, get, update, rotate, revoke."""

from typing import Annotated, Any, get_args

import typer

from mintgate import words
from mintgate.money import format_usd
from mintgate.types import RateLimits, ScopeWord, StatusWord, WindowCap
from mintgate.v1.keys_pb2 import Key, KeyScope, KeyStatus, UnboundedOutput, WindowPeriod
from mintgate.v1.ledger_pb2 import OnDisconnect

from ._app import CliError, group
from ._connection import (
    AccountOption,
    JsonOption,
    KeyOption,
    TargetOption,
    connect,
    parse_pairs,
    parse_time_ms,
)
from ._output import message_json, print_fields, print_json, print_table, time_text

app = group("Mint keys, cap them, end them.")

RATE_LIMITS = ("requests_per_minute", "tokens_per_minute", "open_requests")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id.")]
CapOption = Annotated[
    str | None, typer.Option("--cap-usd", help='Hard cap over the key\'s life, for example "5.00".')
]
NameOption = Annotated[str | None, typer.Option("--name")]
ScopeOption = Annotated[str, typer.Option("--scope", help=" or ".join(get_args(ScopeWord)))]
StatusOption = Annotated[
    str | None, typer.Option("--status", help=" or ".join(get_args(StatusWord)))
]
ExpiresOption = Annotated[
    str | None, typer.Option("--expires-at", help="UTC date, or milliseconds since 1970.")
]
UserOption = Annotated[
    str | None, typer.Option("--external-user-id", help="Your own id of the user.")
]
MetadataOption = Annotated[list[str] | None, typer.Option("--metadata", metavar="NAME=VALUE")]
ProvidersOption = Annotated[
    list[str] | None, typer.Option("--allow-provider", help="Repeat for several; none means all.")
]
ModelsOption = Annotated[
    list[str] | None, typer.Option("--allow-model", help="A pattern such as gpt-*; repeatable.")
]
OriginsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--origin",
        help="A browser origin such as https://app.example.com or https://*.example.com;"
        " repeatable. Requests without an origin are then refused.",
    ),
]
CidrsOption = Annotated[
    list[str] | None,
    typer.Option("--cidr", help="A range of client addresses such as 203.0.113.0/24; repeatable."),
]
AnyProviderOption = Annotated[
    bool, typer.Option("--any-provider", help="Lift the list of providers.")
]
AnyModelOption = Annotated[bool, typer.Option("--any-model", help="Lift the list of models.")]
AnyOriginOption = Annotated[bool, typer.Option("--any-origin", help="Lift the list of origins.")]
AnyAddressOption = Annotated[
    bool, typer.Option("--any-address", help="Lift the list of addresses.")
]
UnboundedOption = Annotated[
    str | None, typer.Option("--unbounded-output", help=" or ".join(words.words(UnboundedOutput)))
]
DisconnectOption = Annotated[
    str | None, typer.Option("--on-disconnect", help=" or ".join(words.words(OnDisconnect)))
]
WindowOption = Annotated[
    str | None,
    typer.Option("--window", help="day, week or month: a cap by calendar; needs --window-cap-usd."),
]
WindowCapOption = Annotated[
    str | None, typer.Option("--window-cap-usd", help="Hard cap of each window.")
]
ZoneOption = Annotated[
    str | None, typer.Option("--time-zone", help="Whose midnight ends a window; UTC if not given.")
]
RequestsOption = Annotated[
    int | None, typer.Option("--requests-per-minute", min=0, help="0 means no limit.")
]
TokensOption = Annotated[
    int | None, typer.Option("--tokens-per-minute", min=0, help="0 means no limit.")
]
OpenOption = Annotated[
    int | None,
    typer.Option("--open-requests", min=0, help="Requests at the same time; 0 means no limit."),
]


@app.command()
def mint(
    name: Annotated[str, typer.Argument(help="A name for people, 1 to 200 characters.")],
    *,
    cap_usd: CapOption = None,
    window: WindowOption = None,
    window_cap_usd: WindowCapOption = None,
    time_zone: ZoneOption = None,
    requests_per_minute: RequestsOption = None,
    tokens_per_minute: TokensOption = None,
    open_requests: OpenOption = None,
    scope: ScopeOption = "standard",
    expires_at: ExpiresOption = None,
    external_user_id: UserOption = None,
    metadata: MetadataOption = None,
    allow_provider: ProvidersOption = None,
    allow_model: ModelsOption = None,
    origin: OriginsOption = None,
    cidr: CidrsOption = None,
    unbounded_output: UnboundedOption = None,
    on_disconnect: DisconnectOption = None,
    idempotency_key: Annotated[str | None, typer.Option("--idempotency-key")] = None,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. Its secret is printed here and nowhere else, ever."""
    given = _given(
        expires_at,
        external_user_id,
        metadata,
        allow_provider,
        allow_model,
        origin,
        cidr,
        unbounded_output,
        on_disconnect,
    )
    with connect(target, key) as connection:
        minted = connection.client.keys.mint(
            name,
            cap_usd=cap_usd,
            window_cap=_window_cap(window, window_cap_usd, time_zone),
            rate_limits=RateLimits(
                requests_per_minute or 0, tokens_per_minute or 0, open_requests or 0
            ),
            scope=scope,  # type: ignore[arg-type]  # The client refuses other words.
            idempotency_key=idempotency_key,
            account_id=connection.account(account),
            **given,
        )
    if as_json:
        document = {"key": message_json(minted.key), "secret": minted.secret}
        print_json(document | {"replayed": minted.replayed})
        return
    _show(minted.key)
    typer.echo(f"\nsecret (shown once): {minted.secret}")


@app.command("list")
def list_keys(
    *,
    external_user_id: UserOption = None,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the account's keys, newest first."""
    with connect(target, key) as connection:
        keys = list(
            connection.client.keys.list(
                external_user_id=external_user_id or "",
                account_id=connection.account(account),
                page_size=1_000,
            )
        )
    if as_json:
        print_json({"keys": [message_json(each) for each in keys]})
        return
    columns = ("id", "name", "key", "scope", "status", ">cap", ">spent", ">held", "last used")
    rows = [
        (
            each.id,
            each.name,
            each.prefix,
            words.word(KeyScope, each.scope),
            words.word(KeyStatus, each.status),
            _cap(each),
            format_usd(each.spent_nano_usd),
            format_usd(each.held_nano_usd),
            time_text(each.last_used_at_ms),
        )
        for each in keys
    ]
    print_table(columns, rows, empty="no keys yet")


@app.command()
def get(
    key_id: KeyArgument,
    *,
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one key."""
    with connect(target, key) as connection:
        found = connection.client.keys.get(key_id)
    _print(found, as_json=as_json)


@app.command()
def update(
    key_id: KeyArgument,
    *,
    name: NameOption = None,
    cap_usd: CapOption = None,
    uncapped: Annotated[bool, typer.Option("--no-cap", help="Lift the cap.")] = False,
    window: WindowOption = None,
    window_cap_usd: WindowCapOption = None,
    time_zone: ZoneOption = None,
    no_window: Annotated[
        bool, typer.Option("--no-window-cap", help="Lift the cap by calendar.")
    ] = False,
    requests_per_minute: RequestsOption = None,
    tokens_per_minute: TokensOption = None,
    open_requests: OpenOption = None,
    status: StatusOption = None,
    expires_at: ExpiresOption = None,
    external_user_id: UserOption = None,
    metadata: MetadataOption = None,
    allow_provider: ProvidersOption = None,
    allow_model: ModelsOption = None,
    origin: OriginsOption = None,
    cidr: CidrsOption = None,
    any_provider: AnyProviderOption = False,
    any_model: AnyModelOption = False,
    any_origin: AnyOriginOption = False,
    any_address: AnyAddressOption = False,
    unbounded_output: UnboundedOption = None,
    on_disconnect: DisconnectOption = None,
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given and nothing else."""
    if uncapped and cap_usd is not None:
        raise CliError("give --cap-usd or --no-cap, not both")
    window_cap = _window_cap(window, window_cap_usd, time_zone)
    if no_window and window_cap is not None:
        raise CliError("give --window or --no-window-cap, not both")
    given = _given(
        expires_at,
        external_user_id,
        metadata,
        allow_provider,
        allow_model,
        origin,
        cidr,
        unbounded_output,
        on_disconnect,
    )
    _lift("--any-provider", "allowed_providers", given, lifted=any_provider)
    _lift("--any-model", "allowed_models", given, lifted=any_model)
    _lift("--any-origin", "allowed_origins", given, lifted=any_origin)
    _lift("--any-address", "allowed_cidrs", given, lifted=any_address)
    given |= {name: value for name, value in (("name", name), ("status", status)) if value}
    if uncapped or cap_usd is not None:
        given["cap_usd"] = cap_usd
    if no_window or window_cap is not None:
        given["window_cap"] = window_cap
    asked = zip(RATE_LIMITS, (requests_per_minute, tokens_per_minute, open_requests), strict=True)
    limits = {name: value for name, value in asked if value is not None}
    with connect(target, key) as connection:
        if limits:
            # The three are set together; those not named keep what they are.
            before = connection.client.keys.get(key_id).rate_limits
            kept = {name: getattr(before, name) for name in RATE_LIMITS}
            given["rate_limits"] = RateLimits(**kept | limits)
        changed = connection.client.keys.update(key_id, **given)
    _print(changed, as_json=as_json)


@app.command()
def rotate(
    key_id: KeyArgument,
    *,
    grace_minutes: Annotated[
        int, typer.Option(min=0, help="How long the old secret goes on to work.")
    ] = 0,
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace a key's secret; the old one stops at once, or after a grace period."""
    with connect(target, key) as connection:
        rotated = connection.client.keys.rotate(key_id, grace_ms=grace_minutes * 60_000)
    if as_json:
        print_json({"key": message_json(rotated.key), "secret": rotated.secret})
        return
    _show(rotated.key)
    typer.echo(f"\nsecret (shown once): {rotated.secret}")


@app.command()
def revoke(
    key_id: KeyArgument,
    *,
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a key for good: its next request is refused, its running ones end within seconds."""
    with connect(target, key) as connection:
        revoked = connection.client.keys.revoke(key_id)
    _print(revoked, as_json=as_json)


def _given(
    expires_at: str | None,
    external_user_id: str | None,
    metadata: list[str] | None,
    allow_provider: list[str] | None,
    allow_model: list[str] | None,
    origin: list[str] | None,
    cidr: list[str] | None,
    unbounded_output: str | None,
    on_disconnect: str | None,
) -> dict[str, Any]:
    """Return the client's arguments for the options that were given."""
    arguments = {
        "expires_at_ms": parse_time_ms(expires_at, "--expires-at") if expires_at else None,
        "external_user_id": external_user_id,
        "metadata": parse_pairs(metadata, "--metadata") if metadata else None,
        "allowed_providers": allow_provider or None,
        "allowed_models": allow_model or None,
        "allowed_origins": origin or None,
        "allowed_cidrs": cidr or None,
        "unbounded_output": unbounded_output,
        "on_disconnect": on_disconnect,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _lift(option: str, argument: str, given: dict[str, Any], *, lifted: bool) -> None:
    """Empty a list where an option says so, which goes with no entry for it."""
    if lifted and argument in given:
        raise CliError(f"give {option} or entries for the list, not both")
    if lifted:
        given[argument] = []


def _print(key: Key, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": message_json(key)})
    else:
        _show(key)


def _show(key: Key) -> None:
    """Print one key, a line a field."""
    print_fields(
        (
            ("id", key.id),
            ("name", key.name),
            ("key", key.prefix),
            ("account", key.account_id),
            ("scope", words.word(KeyScope, key.scope)),
            ("status", words.word(KeyStatus, key.status)),
            ("cap", _cap(key)),
            ("window cap", _window_text(key)),
            ("rate limits", _limits_text(key)),
            ("spent", format_usd(key.spent_nano_usd)),
            ("held", format_usd(key.held_nano_usd)),
            ("created", time_text(key.created_at_ms)),
            ("last used", time_text(key.last_used_at_ms)),
            ("expires", time_text(key.expires_at_ms)),
            ("old secret until", time_text(key.previous_secret_until_ms)),
            ("revoked", time_text(key.revoked_at_ms)),
            ("external user", key.external_user_id),
            ("metadata", ", ".join(f"{name}={key.metadata[name]}" for name in key.metadata)),
            ("providers", ", ".join(key.allowed_providers)),
            ("models", ", ".join(key.allowed_models)),
            ("origins", ", ".join(key.allowed_origins)),
            ("addresses", ", ".join(key.allowed_cidrs)),
            ("unbounded output", words.word(UnboundedOutput, key.unbounded_output)),
            ("on disconnect", words.word(OnDisconnect, key.on_disconnect)),
        )
    )


def _cap(key: Key) -> str:
    return format_usd(key.cap_nano_usd) if key.HasField("cap_nano_usd") else "none"


def _window_text(key: Key) -> str:
    if not key.HasField("window_cap"):
        return ""
    cap = key.window_cap
    return (
        f"{format_usd(cap.cap_nano_usd)} a {words.word(WindowPeriod, cap.period)}"
        f" ({cap.time_zone}); spent {format_usd(cap.spent_nano_usd)},"
        f" held {format_usd(cap.held_nano_usd)} since {time_text(cap.start_ms)}"
    )


def _limits_text(key: Key) -> str:
    limits = ((name, getattr(key.rate_limits, name)) for name in RATE_LIMITS)
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in limits if value)


def _window_cap(window: str | None, cap_usd: str | None, time_zone: str | None) -> WindowCap | None:
    """Return the cap by calendar that the options describe."""
    if window is None and cap_usd is None and time_zone is None:
        return None
    if window is None or cap_usd is None:
        raise CliError("a cap by calendar needs --window and --window-cap-usd")
    # The client refuses other words.
    return WindowCap(window, cap_usd=cap_usd, time_zone=time_zone or "UTC")  # type: ignore[arg-type]
