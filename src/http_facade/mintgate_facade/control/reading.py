"""Reads what a control request says, strictly: what is unknown or inexact is an error."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

from mintgate.errors import InvalidArgument, Unauthenticated
from mintgate.money import nano_usd
from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError, WithJsonSchema

if TYPE_CHECKING:
    from starlette.requests import Request

CONTROL_BODY_BYTES_MAX = 256 << 10
_INT_DIGITS_MAX = 19
_Model = TypeVar("_Model", bound=BaseModel)


def _number(value: object) -> object:
    # bool is an int to Python, and pydantic would take text for a Decimal.
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a JSON number")  # noqa: TRY004 - what pydantic catches
    return value


def _exact(value: Decimal) -> Decimal:
    nano_usd(value, field="the amount")
    return value


Usd = Annotated[
    Decimal,
    BeforeValidator(_number),
    AfterValidator(_exact),
    WithJsonSchema({"type": "number", "minimum": 0, "multipleOf": 1e-09}),
]
"""An amount in USD: a JSON number, 0 or more, at most nine decimals, kept exactly."""


def credential(request: Request) -> str:
    """The caller's key or token, from `Authorization: Bearer` or `x-api-key`.

    Raises `Unauthenticated` when there is none or when two differ.
    """
    found = {value.strip() for value in request.headers.getlist("x-api-key")}
    for value in request.headers.getlist("authorization"):
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() not in {"bearer", ""}:
            raise Unauthenticated("Send the key as Authorization: Bearer, or as x-api-key.")
        found.add(rest.strip())
    found.discard("")
    if not found:
        raise Unauthenticated("No key was sent. Send a master key as Authorization: Bearer.")
    if len(found) > 1:
        raise Unauthenticated("Two different keys were sent. Send exactly one.")
    secret = found.pop()
    if not secret.isascii() or not secret.isprintable():
        raise Unauthenticated("The key is not one of this gateway.")
    return secret


async def read_model(request: Request, model: type[_Model], *, optional: bool = False) -> _Model:
    """Read a JSON body as `model`; raises `InvalidArgument` that names the field.

    An `optional` body may be empty and is then the model's defaults.
    """
    try:
        async with asyncio.timeout(request.app.state.body_wait_s):
            body = await _read(request)
    except TimeoutError:
        raise InvalidArgument("The body did not arrive in time.") from None
    document = {} if optional and not body.strip() else _parse(body)
    try:
        return model.model_validate(document)
    except ValidationError as failure:
        raise _named(failure) from None


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > CONTROL_BODY_BYTES_MAX:
            raise InvalidArgument(f"The body is larger than {CONTROL_BODY_BYTES_MAX} bytes.")
    return bytes(body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(
            body.decode("utf-8"),
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_constant,
            object_pairs_hook=_unique,
        )
    except InvalidArgument:
        raise
    except (ValueError, RecursionError):
        raise InvalidArgument("The body is not valid JSON in UTF-8.") from None
    if not isinstance(document, dict):
        raise InvalidArgument("The body must be one JSON object.")
    return document


def _named(failure: ValidationError) -> InvalidArgument:
    first = failure.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return InvalidArgument(f"{field} is not a field of this call.", field=field)
    return InvalidArgument(f"{field}: {first['msg'].removeprefix('Value error, ')}", field=field)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidArgument(f"{twice[:64]} is there twice.", field=twice[:64])
    return members


def _integer(digits: str) -> int:
    if len(digits) > _INT_DIGITS_MAX:
        raise InvalidArgument("The body holds an integer that is out of range.")
    return int(digits)


def _constant(name: str) -> NoReturn:
    raise InvalidArgument(f"The body holds {name}, which is not a number in JSON.")
