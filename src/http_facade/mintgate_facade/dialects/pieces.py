"""What routes share whose cost is known by the piece: characters, pages, pictures."""

from __future__ import annotations

from collections.abc import Sequence

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE, SettledBy
from mintgate.v1.unit_pb2 import Unit

from mintgate_facade.dialects.base import Ask, Meter, Reading, RequestView
from mintgate_facade.dialects.checks import refused, text
from mintgate_facade.dialects.media import bound_of, charge_of
from mintgate_facade.dialects.opaque import OpaqueMeter
from mintgate_facade.dialects.split import Units


def ask_for(
    request: RequestView,
    model: str,
    unit: Unit.ValueType,
    most: int,
    *,
    variants: Sequence[str] = (),
    stream: bool = False,
) -> Ask:
    """Bound a request of which at most so many pieces and no tokens are billed."""
    bound = bound_of({unit: most}, variants)
    return Ask(model=model, bound=bound, body=request.body, stream=stream)


def most_of(ask: Ask) -> Units:
    """The pieces that were asked for, as units."""
    return {fee.unit: fee.count for fee in ask.bound.fees}


def read_pieces(ask: Ask, units: Units, basis: SettledBy.ValueType = SETTLED_BY_USAGE) -> Reading:
    """Make the reading of an answer under the variants that were asked for."""
    return charge_of(ask.model, units, ask.bound.variants, basis)


def counted_meter(ask: Ask) -> Meter:
    """Read an answer that costs what was asked for, whatever it says: speech by its characters."""
    return OpaqueMeter(lambda _size_bytes: read_pieces(ask, most_of(ask), SETTLED_BY_COUNTED))


def spoken_text(request: RequestView, name: str, characters_max: int) -> str:
    """Read the text that shall be spoken, or raise `RefusedRequest`."""
    spoken = text(request.document, name)
    if not spoken:
        raise refused(f"'{name}' must be a non-empty string.", name)
    if len(spoken) > characters_max:
        raise refused(
            f"'{name}' has {len(spoken)} characters; at most {characters_max} are allowed.", name
        )
    return spoken
