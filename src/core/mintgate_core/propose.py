"""`python -m mintgate_core.propose FILE`: what prices would be by a newer release or a price file.

Reads the prices in force (a `ListPricesResponse`) from standard input and
writes the proposed ones to standard output. It is a process of its own so that
the `mintgate` command needs nothing but the client.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any

from genai_prices.types import Provider, _providers_from_raw
from mintgate.v1 import meter_pb2

from mintgate_core.ledger.errors import LedgerError
from mintgate_core.pricing import PriceDataError, RateCard
from mintgate_core.pricing.amend import amended
from mintgate_core.pricing.overlay import load_overlay, parse_overlay
from mintgate_core.pricing.source import BaseCatalogue, load_limits
from mintgate_core.service import convert
from mintgate_core.service.cards import card_from

EXIT_UNUSABLE = 2
FILE_BYTES_MAX = 64_000_000
"""Of a release's data; it has 4 MB today."""
_DATA = "genai_prices/data.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Propose prices; every failure is one line and a non-zero exit."""
    parser = argparse.ArgumentParser(prog="mintgate_core.propose", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--at-ms", type=int, required=True)
    options = parser.parse_args(arguments)
    try:
        active = meter_pb2.ListPricesResponse.FromString(sys.stdin.buffer.read())
        cards = [card_from(price) for price in active.prices]
        proposed = propose(options.file, cards, options.at_ms)
    except (LedgerError, ValueError, OSError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"{options.file}: {error}\n")
        return EXIT_UNUSABLE
    answer = meter_pb2.ListPricesResponse(prices=[convert.price(card) for card in proposed])
    sys.stdout.buffer.write(answer.SerializeToString())
    return 0


def propose(path: Path, active: Sequence[RateCard], at_ms: int) -> list[RateCard]:
    """The cards in force at `at_ms` if the file held, and a release's later ones after them.

    `path` is a release of genai-prices (its data.json, a wheel, or a directory that it is
    installed in), or a TOML file of the overlay's form. Raises `PriceDataError`.
    """
    if path.suffix == ".toml":
        overlay = parse_overlay(_text(path.read_bytes()))
        return amended(BaseCatalogue.load(), active, overlay, at_ms, source=path.name)
    catalogue = BaseCatalogue(
        _providers(path), load_overlay(), load_limits(), label=path.name, lenient=True
    )
    cards: list[RateCard] = []
    for provider in catalogue.providers:
        for model in catalogue.models(provider):
            timeline = catalogue.timeline(provider, model)
            present = timeline.at(at_ms)
            cards += [] if present is None else [present]
            cards += [card for card in timeline.cards if card.effective_at_ms > at_ms]
    return cards


def _providers(path: Path) -> list[Provider]:
    if path.is_dir():
        return _from_module((path / _DATA).read_bytes(), str(path))
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            if _DATA not in wheel.namelist() or wheel.getinfo(_DATA).file_size > FILE_BYTES_MAX:
                raise PriceDataError(f"no wheel of genai-prices: it has no {_DATA} of usual size")
            return _from_module(wheel.read(_DATA), str(path))
    if path.suffix != ".json":
        raise PriceDataError("give a .json or .whl of genai-prices, or a .toml of prices")
    raw = json.loads(_text(path.read_bytes()))
    if not isinstance(raw, list):
        raise PriceDataError("a release's data is a list of providers")
    return _providers_from_raw(raw)


def _from_module(source: bytes, where: str) -> list[Provider]:
    """Run a release's data module against the types that are installed."""
    spec = util.spec_from_loader("genai_prices.proposed", loader=None)
    if spec is None:
        raise PriceDataError("no place for the module")
    module: Any = util.module_from_spec(spec)
    try:
        # A release is code, as it is when it is installed; whoever runs this chose the file.
        exec(compile(_text(source), where, "exec"), vars(module))  # noqa: S102
    except (NameError, TypeError, SyntaxError) as error:
        raise PriceDataError(f"its data does not fit the release installed here: {error}") from None
    providers: list[Provider] = module.providers
    return providers


def _text(data: bytes) -> str:
    if len(data) > FILE_BYTES_MAX:
        raise PriceDataError(f"more than {FILE_BYTES_MAX} bytes")
    return data.decode()


if __name__ == "__main__":
    sys.exit(main())
