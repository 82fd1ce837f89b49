"""The two clients are the same client."""

from __future__ import annotations

import inspect

import pytest
from mintgate import AsyncClient, Client, client
from mintgate._calls import accounts, jobs, keys, ledger, meter, objects
from mintgate.v1 import jobs_pb2, keys_pb2, ledger_pb2, meter_pb2, objects_pb2

GROUPS = (
    (client.Keys, client.AsyncKeys),
    (client.Accounts, client.AsyncAccounts),
    (client.Ledger, client.AsyncLedger),
    (client.Meter, client.AsyncMeter),
    (client.Objects, client.AsyncObjects),
    (client.Jobs, client.AsyncJobs),
)


def methods(group: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(value)
        for name, value in vars(group).items()
        if not name.startswith("_")
    }


@pytest.mark.parametrize(("sync", "twin"), GROUPS)
def test_methods_and_signatures_are_equal(sync: type, twin: type) -> None:
    """Both clients have the same methods with the same parameters and defaults."""
    assert methods(sync) == methods(twin)
    assert methods(sync)


@pytest.mark.parametrize(("sync", "twin"), GROUPS)
def test_methods_are_documented_alike(sync: type, twin: type) -> None:
    """`help` says the same of both, and says something."""
    for name in methods(sync):
        said = inspect.getdoc(getattr(sync, name))
        assert said == inspect.getdoc(getattr(twin, name))
        assert said, name


def test_constructors_take_the_same() -> None:
    """Both clients are made from the same parameters."""
    assert list(inspect.signature(Client).parameters) == list(
        inspect.signature(AsyncClient).parameters
    )


def test_every_method_can_override_credential_and_deadline() -> None:
    """Each call takes a credential and a timeout of its own."""
    for sync, _ in GROUPS:
        for name, signature in methods(sync).items():
            assert {"timeout_s", "credential"} <= set(signature.parameters), name


def test_every_rpc_has_a_method() -> None:
    """No method of the protocol is out of reach; two streams are the facade's own."""
    services = (
        keys_pb2.DESCRIPTOR.services_by_name["KeysService"],
        keys_pb2.DESCRIPTOR.services_by_name["AccountsService"],
        ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"],
        meter_pb2.DESCRIPTOR.services_by_name["MeterService"],
        objects_pb2.DESCRIPTOR.services_by_name["ObjectsService"],
        jobs_pb2.DESCRIPTOR.services_by_name["JobsService"],
    )
    rpcs = {method.name for service in services for method in service.methods}
    modules = (accounts, jobs, keys, ledger, meter, objects)
    source = "".join(inspect.getsource(module) for module in modules)

    assert {"Apply"} == {rpc for rpc in rpcs if f'"{rpc}"' not in source}
