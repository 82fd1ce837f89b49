"""The guarantees of `stores.base`, as tests that any store can be run through.

    from mintgate_core.stores import conformance

    class TestMyStore(conformance.StoreConformance):
        @pytest.fixture
        def clock(self):
            return conformance.SettableClock()

        @pytest.fixture
        async def store(self, clock):
            store = MyStore(clock)
            yield store
            await store.close()

The suite needs a runner of `async def` tests that passes the fixtures `store` and
`clock` by name, as pytest with pytest-asyncio does; it imports neither. Every test
ends with an audit of the books. `conformance.machine` holds a Hypothesis state
machine over the same store; it alone needs Hypothesis.
"""

from mintgate_core.stores.conformance.builders import (
    SettableClock,
    Tenant,
    expect,
    findings,
    measured,
    totals,
)
from mintgate_core.stores.conformance.directory import DirectoryConformance
from mintgate_core.stores.conformance.holds import HoldConformance
from mintgate_core.stores.conformance.jobs import JobConformance
from mintgate_core.stores.conformance.keys import KeyConformance
from mintgate_core.stores.conformance.late import LateConformance
from mintgate_core.stores.conformance.meter import MeterConformance
from mintgate_core.stores.conformance.objects import ObjectConformance
from mintgate_core.stores.conformance.races import RaceConformance
from mintgate_core.stores.conformance.records import RecordConformance
from mintgate_core.stores.conformance.settles import SettleConformance
from mintgate_core.stores.conformance.wallets import WalletConformance
from mintgate_core.stores.conformance.windows import WindowConformance

__all__ = [
    "DirectoryConformance",
    "HoldConformance",
    "JobConformance",
    "KeyConformance",
    "LateConformance",
    "MeterConformance",
    "ObjectConformance",
    "RaceConformance",
    "RecordConformance",
    "SettableClock",
    "SettleConformance",
    "StoreConformance",
    "Tenant",
    "WalletConformance",
    "WindowConformance",
    "expect",
    "findings",
    "measured",
    "totals",
]


class StoreConformance(
    HoldConformance,
    KeyConformance,
    SettleConformance,
    LateConformance,
    WalletConformance,
    WindowConformance,
    RaceConformance,
    DirectoryConformance,
    MeterConformance,
    JobConformance,
    ObjectConformance,
    RecordConformance,
):
    """All of it."""
