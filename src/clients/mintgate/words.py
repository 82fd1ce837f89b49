"""Enumerations of the protocol as the words that people and JSON use.

`KEY_STATUS_ACTIVE` is "active" in a request, on a terminal and in REST. The
rule is mechanical: the name without the prefix that all its siblings share,
in lower case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .errors import InvalidArgument

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor


class EnumType(Protocol):
    """A generated enumeration, for example `mintgate.v1.keys_pb2.KeyScope`."""

    @property
    def DESCRIPTOR(self) -> EnumDescriptor: ...  # noqa: D102, N802  # Protobuf's own name.


def words(enum_type: EnumType) -> tuple[str, ...]:
    """Return every word of an enumeration, "unspecified" left out."""
    return words_of(enum_type.DESCRIPTOR)


def words_of(descriptor: EnumDescriptor) -> tuple[str, ...]:
    """Return every word of an enumeration's descriptor, "unspecified" left out."""
    return tuple(_word(descriptor, value.name) for value in descriptor.values if value.number)


def word(enum_type: EnumType, number: int) -> str:
    """Return the word of a number; "" for unspecified, the digits for an unknown one."""
    return word_of(enum_type.DESCRIPTOR, number)


def word_of(descriptor: EnumDescriptor, number: int) -> str:
    """Return the word of a number by the enumeration's descriptor, as `word`."""
    if number == 0:
        return ""
    value = descriptor.values_by_number.get(number)
    return str(number) if value is None else _word(descriptor, value.name)


def number(enum_type: EnumType, text: str, *, field: str) -> Any:
    """Return the number of a word.

    Typed `Any` because each generated enumeration has a number type of its own.
    Raises `InvalidArgument` that names `field` and lists what is allowed.
    """
    descriptor = enum_type.DESCRIPTOR
    value = descriptor.values_by_name.get(_prefix(descriptor) + text.upper())
    if value is None or value.number == 0 or text != text.lower():
        allowed = ", ".join(words(enum_type))
        raise InvalidArgument(f"{field} must be one of: {allowed}", field=field)
    return value.number


def _prefix(descriptor: EnumDescriptor) -> str:
    """Return what all names begin with: the zero value is always PREFIX_UNSPECIFIED."""
    return descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")


def _word(descriptor: EnumDescriptor, name: str) -> str:
    return name.removeprefix(_prefix(descriptor)).lower()
