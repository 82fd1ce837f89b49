"""The pure ledger: what holds, charges and caps mean. No I/O, no clock, no float, no await."""

from mintgate_core.ledger.admit import allowed, opens, standing
from mintgate_core.ledger.books import Books, Needs, operation_id
from mintgate_core.ledger.decide import decide
from mintgate_core.ledger.places import elsewhere

__all__ = ["Books", "Needs", "allowed", "decide", "elsewhere", "opens", "operation_id", "standing"]
