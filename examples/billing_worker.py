"""Bill a month: one call, checked, with a margin, as invoice lines.

    export MINTGATE_KEY=qlk_live_...           # your master key
    python examples/billing_worker.py --margin 0.20 > invoices.json
    python examples/billing_worker.py --from 2026-10-01 --to 2026-11-01

Costs are integers of nano-USD until the last step. Each invoice is rounded
once, to whole cents, so that its lines add up to its total.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final

from mintgate import Client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mintgate.v1.meter_pb2 import GetUsageResponse, KeyUsage

NANO_USD_PER_CENT: Final = 10_000_000
MARGIN_DEFAULT: Final = "0.20"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UnbalancedError(Exception):
    """The parts do not add up to the whole: stop before anybody is billed."""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """What one user used of one model, and its share of the invoice."""

    provider: str
    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """What one user owes; the lines' cents add up to `amount_cents`."""

    key_id: str
    user: str
    cost_nano_usd: int
    amount_cents: int
    lines: list[InvoiceLine]


def last_month(now: datetime) -> tuple[datetime, datetime]:
    """Return the start of the last full UTC month, and its end (exclusive)."""
    end = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = end.month - 1 or 12
    year = end.year if end.month > 1 else end.year - 1
    return end.replace(year=year, month=before), end


def time_ms(moment: datetime) -> int:
    """Return a time as milliseconds since 1970, exactly."""
    since = moment - EPOCH
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def check_sums(usage: GetUsageResponse) -> None:
    """Raise `UnbalancedError` unless keys add up to the total, and models to keys."""
    by_key = sum(key.totals.cost_nano_usd for key in usage.by_key)
    if by_key != usage.totals.cost_nano_usd:
        raise UnbalancedError(f"keys sum to {by_key}, the total is {usage.totals.cost_nano_usd}")
    for key in usage.by_key:
        by_model = sum(model.totals.cost_nano_usd for model in key.by_model)
        if by_model != key.totals.cost_nano_usd:
            raise UnbalancedError(
                f"key {key.key_id}: models sum to {by_model}, the key is {key.totals.cost_nano_usd}"
            )


def price_cents(cost_nano_usd: int, margin: Decimal) -> int:
    """Return a cost with the margin on top, in whole cents, half to even."""
    cents = Decimal(cost_nano_usd) * (1 + margin) / NANO_USD_PER_CENT
    return int(cents.to_integral_value(rounding=ROUND_HALF_EVEN))


def invoice(key: KeyUsage, margin: Decimal) -> Invoice:
    """Return one user's invoice.

    The invoice is rounded, not its lines: each line is the difference of two
    rounded running sums, so that many small lines cannot add up to a cent more.
    """
    lines = []
    cost_so_far, cents_so_far = 0, 0
    for model in key.by_model:
        cost_so_far += model.totals.cost_nano_usd
        cents = price_cents(cost_so_far, margin)
        lines.append(
            InvoiceLine(
                provider=model.provider,
                model=model.model,
                requests=model.totals.request_count,
                input_tokens=model.totals.input_tokens,
                output_tokens=model.totals.output_tokens,
                cost_nano_usd=model.totals.cost_nano_usd,
                amount_cents=cents - cents_so_far,
            )
        )
        cents_so_far = cents
    return Invoice(
        key_id=key.key_id,
        user=key.external_user_id or key.key_name,
        cost_nano_usd=key.totals.cost_nano_usd,
        amount_cents=cents_so_far,
        lines=lines,
    )


def bill(client: Client, start: datetime, end: datetime, margin: Decimal) -> list[Invoice]:
    """Return an invoice for every key that used anything from `start` to `end`."""
    usage = client.meter.usage(from_ms=time_ms(start), to_ms=time_ms(end))
    check_sums(usage)
    return [invoice(key, margin) for key in usage.by_key]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the invoices of last month, or of another window, as JSON."""
    parser = argparse.ArgumentParser(description="Bill a month.")
    parser.add_argument("--from", dest="start", type=_utc, help="ISO date, inclusive")
    parser.add_argument("--to", dest="end", type=_utc, help="ISO date, exclusive")
    parser.add_argument("--margin", type=Decimal, default=Decimal(MARGIN_DEFAULT))
    options = parser.parse_args(arguments)
    if (options.start is None) != (options.end is None):
        parser.error("--from and --to go together")
    start, end = (
        last_month(datetime.now(UTC)) if options.start is None else (options.start, options.end)
    )
    target = os.environ.get("MINTGATE_TARGET", "127.0.0.1:50051")
    with Client(target, os.environ["MINTGATE_KEY"]) as client:
        invoices = bill(client, start, end, options.margin)
    document = {
        "from": start.isoformat(),
        "to": end.isoformat(),
        "margin": str(options.margin),
        "invoices": [asdict(each) for each in invoices],
    }
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
