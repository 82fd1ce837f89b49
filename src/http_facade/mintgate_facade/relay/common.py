"""Objects at a provider that everybody may use, told from those that some key made.

The gateway's record says what a key made. Of anything else only the provider can say whether it
is for everybody: it is asked once for each object, and what it says is kept for a while. What
it does not describe as everybody's is a 404, whoever made it and however.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.relay.objects import no_such
from mintgate_facade.relay.pass_through import is_success
from mintgate_facade.relay.short_answer import parsed_answer, whole_answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mintgate.v1.objects_pb2 import FindObjectsResponse

    from mintgate_facade.dialects.base import ObjectName
    from mintgate_facade.dialects.common import Common
    from mintgate_facade.relay.exchange import Admitted, Exchange
    from mintgate_facade.relay.objects import Objects
    from mintgate_facade.relay.targets import Targets

KNOWN_MAX = 10_000
"""Objects of which one worker remembers what the provider said; the oldest are forgotten first."""
COMMON_KEPT_S = 3_600.0
"""How long an object that is everybody's is not asked about again."""
OTHERS_KEPT_S = 60.0
"""The same of one that is not: so soon can be used what the operator has put there."""
LOOKS_MAX = 16
"""Objects of one request that the provider is asked about; a dialogue has at most ten voices."""

_ASKABLE = re.compile(r"[\w-]{1,128}", re.ASCII)
"""Ids of the form that providers give; others are not asked about: a path might be read in them."""
_UNKNOWN_THERE = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_NOT_TOLD = Failure(
    FailureKind.UPSTREAM_FAILED,
    "The provider does not say now whether everybody may use this object. Try again.",
)


class CommonObjects:
    """What one worker knows about objects that no key here made."""

    def __init__(
        self, objects: Objects, targets: Targets, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._objects = objects
        self._targets = targets
        self._now_s = now_s
        self._told: OrderedDict[tuple[str, ObjectName], tuple[bool, float]] = OrderedDict()

    async def require(
        self, exchange: Exchange, admitted: Admitted, names: Iterable[ObjectName]
    ) -> FindObjectsResponse:
        """Find the key's own of `names`; all others must be everybody's, or it is a 404.

        Raises `RefusedRequest` (400, 401, 403, 404, 502, 503, 504).
        """
        slug = exchange.target.slug
        found, missing = await self._objects.split(
            admitted.secret_sha256, exchange.caller, slug, names
        )
        # Only of a key in force: nobody else can make the gateway ask.
        for count, name in enumerate(missing, 1):
            rule = exchange.target.provider.common.get(name.kind)
            if rule is None or count > LOOKS_MAX or not _ASKABLE.fullmatch(name.id):
                raise no_such(name)
            if not await self._is_common(exchange, rule, name):
                raise no_such(name)
        return found

    def unknown(self, slug: str, names: Iterable[ObjectName]) -> list[ObjectName]:
        """Those of `names` that are not known to be everybody's."""
        return [name for name in names if self._kept((slug, name)) is not True]

    def _kept(self, key: tuple[str, ObjectName]) -> bool | None:
        told = self._told.get(key)
        return told[0] if told is not None and self._now_s() < told[1] else None

    async def _is_common(self, exchange: Exchange, rule: Common, name: ObjectName) -> bool:
        key = exchange.target.slug, name
        kept = self._kept(key)
        if kept is None:
            kept = await self._look(exchange, rule, name)
            self._told.pop(key, None)
            self._told[key] = kept, self._now_s() + (COMMON_KEPT_S if kept else OTHERS_KEPT_S)
            if len(self._told) > KNOWN_MAX:
                self._told.popitem(last=False)
        return kept

    async def _look(self, exchange: Exchange, rule: Common, name: ObjectName) -> bool:
        """Ask the provider. Raises `RefusedRequest` when it does not say."""
        path = rule.path.replace("{id}", quote(name.id, safe=""))
        response = await self._targets.look(exchange, path)
        try:
            if response.status in _UNKNOWN_THERE:
                return False
            if not is_success(response.status):
                raise RefusedRequest(_NOT_TOLD)
            description = parsed_answer(await whole_answer(response))
        finally:
            response.close()
        return description.get(rule.id_field) == name.id and rule.everybodys(description)
