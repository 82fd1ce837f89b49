"""`mintgate holds`: what is held just now, and what has been held for too long."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from mintgate import ids
from mintgate.money import format_usd
from mintgate.v1.ledger_pb2 import OpenHold

from ._app import CliError
from ._connection import AccountOption, JsonOption, KeyOption, TargetOption, connect
from ._output import message_json, print_json, print_table, time_text

HOLDS_SHOWN_MAX: Final = 1_000
_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def holds(
    *,
    account: AccountOption = "",
    every: Annotated[bool, typer.Option("--all", help="Of every account; operator only.")] = False,
    older_than: Annotated[
        str | None, typer.Option("--older-than", help='Only these, for example "5m" or "2h".')
    ] = None,
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show open holds, oldest first, at most 1,000."""
    if every and account:
        raise CliError("give --account or --all, not both")
    age = None if older_than is None else _age(older_than)
    with connect(target, key) as connection:
        found = connection.client.ledger.holds(
            account_id="" if every else connection.account(account),
            every_account=every,
            page_size=HOLDS_SHOWN_MAX,
        )
    if len(found) == HOLDS_SHOWN_MAX:
        typer.echo(f"only the oldest {HOLDS_SHOWN_MAX:,} are shown", err=True)
    if age is not None:
        # By this machine's clock; a few seconds of difference do not matter to a person.
        before_ms = int((datetime.now(tz=UTC) - age).timestamp() * 1_000)
        found = [hold for hold in found if hold.reserved_at_ms < before_ms]
    if as_json:
        print_json({"holds": [message_json(hold) for hold in found]})
        return
    columns = (
        *("hold", "account", "key", "provider", "model"),
        *(">held", ">metered", "reserved", "expires", "job", "request"),
    )
    print_table(columns, [_row(hold) for hold in found], empty="no open holds")


def _row(hold: OpenHold) -> tuple[str, ...]:
    return (
        ids.id_text(hold.hold_id),
        hold.account_id,
        hold.key_id,
        hold.provider,
        hold.model,
        format_usd(hold.amount_nano_usd),
        format_usd(hold.metered_nano_usd),
        time_text(hold.reserved_at_ms),
        time_text(hold.expires_at_ms),
        "yes" if hold.job else "",
        hold.request_id,
    )


def _age(text: str) -> timedelta:
    matched = _AGE.fullmatch(text)
    if matched is None:
        raise CliError(f"--older-than: {text!r} is not a number with s, m, h or d")
    return timedelta(seconds=int(matched[1]) * _SECONDS[matched[2]])
