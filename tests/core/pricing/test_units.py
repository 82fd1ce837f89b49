"""Units are the contract's, and each belongs to one side of a request."""

from __future__ import annotations

from mintgate.v1 import unit_pb2
from mintgate_core.pricing import Unit
from mintgate_core.pricing.units import (
    CACHE_READ_UNITS,
    FEE_UNITS,
    INPUT_UNITS,
    MEDIA_UNITS,
    OUTPUT_UNITS,
)


def test_numbers_and_names_are_the_contracts() -> None:
    """Every unit of the wire exists here under the same name and number, and no other."""
    wire = {name.removeprefix("UNIT_"): number for name, number in unit_pb2.Unit.items()}
    assert {unit.name: unit.value for unit in Unit} == wire


def test_every_unit_is_input_output_media_or_fee() -> None:
    """Input, output, media and fees together are all units, each unit once."""
    sides = [*INPUT_UNITS, *OUTPUT_UNITS, *MEDIA_UNITS, *FEE_UNITS, Unit.UNSPECIFIED]
    assert sorted(sides) == sorted(Unit)
    assert CACHE_READ_UNITS < INPUT_UNITS


def test_only_tokens_count_as_tokens() -> None:
    """What a tier's threshold and the usage totals count is called tokens, and nothing else is."""
    tokens = {unit for unit in Unit if unit.name.endswith("_TOKENS")}
    assert tokens == INPUT_UNITS | OUTPUT_UNITS
