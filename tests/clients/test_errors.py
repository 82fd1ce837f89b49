from __future__ import annotations

from typing import Any

import grpc
import pytest
from mintgate import errors
from mintgate.errors import (
    CLASS_BY_REASON,
    ERROR_METADATA_KEY,
    STATUS_BY_REASON,
    MintgateError,
    PaymentRequired,
    about_own_credential,
    error_from_proto,
    error_from_rpc,
)
from mintgate.v1 import error_pb2
from mintgate.v1.error_pb2 import Error, ErrorReason

REASONS = [number for number in ErrorReason.values() if number]


class Failure(grpc.RpcError):
    """What grpc raises, as far as it is looked at."""

    def __init__(self, code: Any, details: str, metadata: Any = None) -> None:
        super().__init__()
        self._code, self._details, self._metadata = code, details, metadata

    def code(self) -> Any:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._metadata


def tree_lines() -> list[tuple[int, str]]:
    """Depth and class name of each line of the tree in the module's docstring."""
    lines = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip(" │├└─").split("(")[0].split(" ")[0]
        if isinstance(getattr(errors, name, None), type):
            lines.append(((len(line) - len(line.lstrip(" │├└─")) - 4) // 4, name))
    return lines


def test_the_printed_tree_is_the_real_one() -> None:
    """The tree at the top of the file names every class under its real parent."""
    path: list[str] = []
    printed = set()
    for depth, name in tree_lines():
        path[depth:] = [name]
        printed.add(name)
        if depth:
            assert path[depth - 1] == getattr(errors, name).__mro__[1].__name__

    real = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert {name for name in real if issubclass(getattr(errors, name), MintgateError)} == printed


def test_every_reason_has_a_class_and_a_status() -> None:
    """No reason of the protocol falls through the tables."""
    assert set(REASONS) == set(CLASS_BY_REASON) == set(STATUS_BY_REASON)


@pytest.mark.parametrize("reason", REASONS)
def test_travels_and_arrives_as_itself(reason: ErrorReason.ValueType) -> None:
    """An error that is sent and read again has the same class, words and amounts."""
    sent = Error(reason=reason, message="Say what.", field="bound.choices")
    if issubclass(CLASS_BY_REASON[reason], PaymentRequired):
        sent.required_nano_usd, sent.remaining_nano_usd = 7, 5
        sent.affordable_output_tokens = 3

    error = error_from_proto(sent)

    assert CLASS_BY_REASON[reason] is type(error)
    assert sent == error.to_proto()
    assert str(error) == "Say what."


def test_an_unknown_reason_keeps_its_number() -> None:
    """A reason of a newer core becomes a plain error that says which it was."""
    error = error_from_proto(Error(reason=999, message="new"))  # type: ignore[arg-type]

    assert MintgateError is type(error)
    assert error.reason == 999


def test_the_detail_wins_over_the_status() -> None:
    """What the core says in the metadata is what is raised."""
    detail = Error(reason=error_pb2.ERROR_REASON_CAP_EXCEEDED, required_nano_usd=9)
    metadata = (("other", "x"), (ERROR_METADATA_KEY, detail.SerializeToString()))

    error = error_from_rpc(Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "", metadata))

    assert isinstance(error, errors.CapExceeded)
    assert error.required_nano_usd == 9


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.OutcomeUnknown),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.OutcomeUnknown),
        (grpc.StatusCode.CANCELLED, errors.OutcomeUnknown),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.Overloaded),
        (grpc.StatusCode.UNAUTHENTICATED, errors.Unauthenticated),
        (grpc.StatusCode.UNIMPLEMENTED, errors.Internal),
        (grpc.StatusCode.UNKNOWN, errors.Internal),
        (None, errors.Internal),
    ],
)
def test_without_a_detail_the_status_decides(
    status: object, error_class: type[MintgateError]
) -> None:
    """A failure on the way is never taken for "nothing happened"."""
    assert error_class is type(error_from_rpc(Failure(status, "broken pipe")))


@pytest.mark.parametrize(
    ("detail", "own"),
    [
        (Error(reason=error_pb2.ERROR_REASON_UNAUTHENTICATED, field="authorization"), True),
        (Error(reason=error_pb2.ERROR_REASON_PERMISSION_DENIED), True),
        (None, True),
        (Error(reason=error_pb2.ERROR_REASON_UNAUTHENTICATED), False),
        (Error(reason=error_pb2.ERROR_REASON_KEY_REVOKED), False),
        (Error(reason=error_pb2.ERROR_REASON_PROVIDER_NOT_ALLOWED), False),
    ],
)
def test_who_asks_is_told_from_whom_is_asked_about(detail: Error | None, own: bool) -> None:  # noqa: FBT001
    """A refused token, and a refusal that no core made, say nothing about anybody's key."""
    metadata = detail and ((ERROR_METADATA_KEY, detail.SerializeToString()),)
    failure = Failure(grpc.StatusCode.UNAUTHENTICATED, "no", metadata)
    assert about_own_credential(error_from_rpc(failure)) is own


@pytest.mark.parametrize("metadata", [None, (), ((ERROR_METADATA_KEY, b"\xff\xff"),)])
def test_metadata_that_cannot_be_read_is_passed_over(metadata: object) -> None:
    """Missing or broken metadata falls back to the status and its words."""
    error = error_from_rpc(Failure(grpc.StatusCode.NOT_FOUND, "no such key", metadata))

    assert errors.NotFound is type(error)
    assert error.message == "no such key"
