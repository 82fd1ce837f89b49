"""What a call is before anybody sends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from mintgate.errors import Internal, InvalidArgument
from mintgate.money import NANO_USD_MAX, Usd, nano_usd

Answer = TypeVar("Answer")
Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)


class Unset:
    """The type of `UNSET`: an argument that was not given, where None has a meaning."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Answer]):
    """One request to one method, and how to read its answer.

    `timeout_s` and `credential` are this call's own; None means the client's.
    """

    stub: Callable[[Any], Any]
    """The generated stub class."""
    method: str
    request: Message
    read: Callable[[Any], Answer]
    """Turns the response message into what the caller gets."""
    repeatable: bool = True
    """Sending the same request twice has the effect of sending it once."""
    timeout_s: float | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Paged(Generic[Item_co]):
    """A listing of any length: one call, and the call after each answer."""

    first: Call[Any]
    items: Callable[[Any], Sequence[Item_co]]
    cursor: str
    """The request's field that says where a page starts."""
    next_cursor: str
    """The response's field that says where the next one does."""

    def turn(self, call: Call[Any], response: Message) -> Call[Any] | None:
        """Return the call for the page after `response`; None when it was the last."""
        position = getattr(response, self.next_cursor)
        if not position:
            return None
        if position == getattr(call.request, self.cursor):
            # Without this a core with a defect would keep its clients turning for ever.
            raise Internal(f"{call.method} answered the page that it was asked for")
        request = type(call.request)()
        request.CopyFrom(call.request)
        setattr(request, self.cursor, position)
        return replace(call, request=request)


@dataclass(frozen=True, slots=True)
class Stream(Generic[Item]):
    """An answer without end that can be taken up again after its last item."""

    call: Call[Any]
    item: Callable[[Any], Item]
    resume: Callable[[Call[Any], Item], Call[Any]]


def exact_nano_usd(
    amount_usd: Usd | None, amount_nano: int | None, *, name: str, required: bool
) -> int | None:
    """Return the one amount that was given, in nano-USD.

    `name` is the argument's name without its unit. Raises `InvalidArgument`
    when both or, if `required`, neither was given, or when it is out of range.
    """
    if amount_usd is not None and amount_nano is not None:
        raise InvalidArgument(f"give {name}_usd or {name}_nano_usd, not both", field=f"{name}_usd")
    if amount_usd is not None:
        return nano_usd(amount_usd, field=f"{name}_usd")
    if amount_nano is None:
        if required:
            raise InvalidArgument(f"{name}_usd or {name}_nano_usd is needed", field=f"{name}_usd")
        return None
    if isinstance(amount_nano, bool) or not isinstance(amount_nano, int):
        raise TypeError(f"{name}_nano_usd must be an int")
    if not 0 <= amount_nano <= NANO_USD_MAX:
        raise InvalidArgument(f"{name}_nano_usd must be from 0 to 2^62", field=f"{name}_nano_usd")
    return amount_nano


def whole(response: Any) -> Any:
    """Read a response as itself."""
    return response
