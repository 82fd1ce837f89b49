"""Objects at providers from the wire."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence

from mintgate.v1 import objects_pb2

from mintgate_core.ledger.errors import Invalid
from mintgate_core.ledger.limits import RECORD_TTL_MS_MAX, RECORDS_MAX
from mintgate_core.ledger.types import Key, Record
from mintgate_core.service import requests
from mintgate_core.service.principal import Principal, Role
from mintgate_core.stores.objects import NewObject

NAMES_MAX = 1_000
"""Ids in one call: the longest list that a provider answers at once."""

OBJECT_ID_CHARACTERS_MAX = 512
OBJECT_NOTE_CHARACTERS_MAX = 512
OBJECT_TTL_MS_MAX = 2**41

_KIND = re.compile(r"[a-z0-9_]{1,32}")

log = logging.getLogger(__name__)


def new_object(message: objects_pb2.NewObject, key: Key) -> NewObject:
    """An object that a key created."""
    object_kind, object_id = _name(message.name)
    return NewObject(
        provider=requests.slug(message.provider, "provider"),
        kind=object_kind,
        object_id=object_id,
        account_id=key.account_id,
        key_id=key.key_id,
        note=_note(message.note),
        ttl_ms=requests.number(message.ttl_ms, "ttl_ms", OBJECT_TTL_MS_MAX),
    )


def names(messages: Iterable[objects_pb2.ObjectName], *, least: int = 0) -> list[tuple[str, str]]:
    """(kind, object id) of each."""
    found = [_name(message) for message in messages]
    requests.number(len(found), "names", NAMES_MAX, least=least)
    return found


def kind(value: str) -> str:
    """What an object is."""
    if not _KIND.fullmatch(value):
        raise Invalid("kind must have 1 to 32 characters of a-z, 0-9 and _", field="kind")
    return value


def records(caller: Principal, messages: Sequence[objects_pb2.Record]) -> tuple[Record, ...]:
    """What comes with a charge or a job. What is unfit is left out: those are never refused.

    Only a facade knows whose an object is: an account could take what is another's.
    """
    if not messages:
        return ()
    if caller.role not in {Role.OPERATOR, Role.SERVICE}:
        log.warning("%d objects stay nobody's: only a facade records them", len(messages))
        return ()
    kept: list[Record] = []
    for message in messages[:RECORDS_MAX]:
        try:
            object_kind, object_id = _name(message.name)
            ttl_ms = message.ttl_ms if 0 < message.ttl_ms < RECORD_TTL_MS_MAX else RECORD_TTL_MS_MAX
            kept.append(Record(object_kind, object_id, ttl_ms, _note(message.note)))
        except Invalid as error:
            log.warning("an object stays nobody's: %s", error)
    return tuple(kept)


def _name(message: objects_pb2.ObjectName) -> tuple[str, str]:
    object_id = requests.text(message.object_id, "object_id", OBJECT_ID_CHARACTERS_MAX, least=1)
    return kind(message.kind), object_id


def _note(value: str) -> str:
    return requests.text(value, "note", OBJECT_NOTE_CHARACTERS_MAX)
