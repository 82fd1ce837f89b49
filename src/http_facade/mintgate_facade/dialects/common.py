"""Objects that a provider has for everybody, beside those that users of one account made.

A voice is the example: some are the provider's own, some are copies of other people's. Only the
provider can say which is which, by how it describes the object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Common:
    """How it is found out whether everybody may use an object of a kind."""

    path: str
    """What describes it; `{id}` is the object's."""
    id_field: str
    """The field of the description that names it."""
    everybodys: Callable[[Mapping[str, Any]], bool]
    """Whether an object with this description is for everybody. It must be false for whatever
    somebody made in the operator's account."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The shape of a list that is the provider's own, and that others' objects are left out of."""

    objects: str
    """The field of the answer that holds the objects."""
    id_field: str
    """The field of an object that names it."""
    cursor: str = ""
    """The query parameter that a page goes on from; empty: the list has one page."""
    next_cursor: str = ""
    """The field of the answer that says it."""
    page_size: int = 0
    """Of a page that asks for no size."""
    total: str = ""
    """The field of the answer that counts all objects, if it has one."""
