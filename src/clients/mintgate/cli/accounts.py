"""`mintgate accounts`: create and list, as the operator."""

from typing import Annotated

import typer

from mintgate.v1.keys_pb2 import Account

from ._app import group
from ._connection import JsonOption, KeyOption, TargetOption, connect
from ._output import message_json, print_fields, print_json, print_table, time_text

app = group("Accounts: a wallet, its master keys and all that they minted. Operator only.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for people, 1 to 200 characters.")],
    *,
    grant_usd: Annotated[
        str | None, typer.Option("--grant-usd", help="First balance of a prepaid wallet.")
    ] = None,
    postpaid: Annotated[
        bool, typer.Option("--postpaid", help="Without a ceiling of its own.")
    ] = False,
    idempotency_key: Annotated[str | None, typer.Option("--idempotency-key")] = None,
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an account. Its first master key is printed here and nowhere else, ever."""
    with connect(target, key) as connection:
        created = connection.client.accounts.create(
            name, postpaid=postpaid, grant_usd=grant_usd, idempotency_key=idempotency_key
        )
    if as_json:
        print_json(
            {
                "account": message_json(created.account),
                "master_key": message_json(created.master_key),
                "master_secret": created.master_secret,
                "replayed": created.replayed,
            }
        )
        return
    account = created.account
    print_fields((("id", account.id), ("name", account.name), ("wallet", _wallet(account))))
    typer.echo(f"\nmaster key (shown once): {created.master_secret}")


@app.command("list")
def list_accounts(
    *, target: TargetOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List all accounts."""
    with connect(target, key) as connection:
        accounts = list(connection.client.accounts.list(page_size=1_000))
    if as_json:
        print_json({"accounts": [message_json(each) for each in accounts]})
        return
    rows = [(each.id, each.name, _wallet(each), time_text(each.created_at_ms)) for each in accounts]
    print_table(("id", "name", "wallet", "created"), rows, empty="no accounts yet")


def _wallet(account: Account) -> str:
    return "postpaid" if account.postpaid else "prepaid"
