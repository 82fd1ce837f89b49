"""A provider's own list, without what belongs to other keys.

The provider searches and sorts. The gateway reads all that it finds, up to a bound, keeps what
is the key's or everybody's, and cuts pages of its own: a cursor or a count of the provider's
would tell about the objects between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.relay.pass_through import is_success, pass_through
from mintgate_facade.relay.short_answer import UNREADABLE, parsed_answer, whole_answer

if TYPE_CHECKING:
    from mintgate_facade.dialects.common import Filter
    from mintgate_facade.relay.exchange import Admitted, Exchange
    from mintgate_facade.relay.objects import Objects
    from mintgate_facade.relay.targets import Targets

PAGES_MAX = 20
"""Pages of the provider's that one list reads."""
PAGE_SIZE = 100
"""Of such a page: the largest there is."""
PAGE_BYTES_MAX = 8 << 20
"""Of such a page; a voice with its samples and sharing has some kilobytes."""

_PAGE_SIZE = "page_size"
_JSON = [(b"content-type", b"application/json")]
_OURS = frozenset({_PAGE_SIZE, "include_total_count"})
"""Query parameters that the gateway answers itself, besides the cursor."""


async def serve_filtered(
    exchange: Exchange, admitted: Admitted, objects: Objects, targets: Targets
) -> None:
    """Answer one list. Raises `RefusedRequest` (400, 401, 403, 404, 502, 503, 504)."""
    shape = exchange.route.filtered
    if shape is None:
        raise LookupError(f"{exchange.route.path} has no shape of its list")
    size = _page_size(admitted.view.query, shape)
    owned = await objects.all_of(
        admitted.secret_sha256,
        exchange.caller,
        exchange.target.slug,
        exchange.route.kind,
        newest=False,
    )
    own = {each.name.object_id for each in owned}
    kept: list[Mapping[str, Any]] = []
    cursor = ""
    for _ in range(PAGES_MAX):
        response = await targets.read(
            exchange, admitted, exchange.match.upstream_path, query=_query(admitted, shape, cursor)
        )
        try:
            if not is_success(response.status):
                await pass_through(exchange, response)
                return
            page = parsed_answer(await whole_answer(response, PAGE_BYTES_MAX))
        finally:
            response.close()
        kept.extend(each for each in _objects(page, shape) if _may_see(exchange, each, shape, own))
        cursor = str(page.get(shape.next_cursor) or "") if shape.next_cursor else ""
        if not cursor:
            break
    body = _body(shape, kept, admitted.view.query, size)
    await exchange.send_whole(200, [*_JSON, *exchange.own_headers()], body)


def _may_see(
    exchange: Exchange, described: Mapping[str, Any], shape: Filter, own: set[str]
) -> bool:
    if described.get(shape.id_field) in own:
        return True
    rule = exchange.target.provider.common.get(exchange.route.kind)
    return rule is not None and rule.everybodys(described)


def _objects(page: Mapping[str, Any], shape: Filter) -> list[Mapping[str, Any]]:
    listed = page.get(shape.objects)
    if not isinstance(listed, list):
        raise RefusedRequest(UNREADABLE)
    return [each for each in listed if isinstance(each, dict)]


def _query(admitted: Admitted, shape: Filter, cursor: str) -> bytes:
    """What the client searches for, from the page that comes next."""
    if not shape.cursor:
        return admitted.query
    asked = parse_qsl(admitted.view.query_string, keep_blank_values=True)
    kept = [(name, value) for name, value in asked if name not in {*_OURS, shape.cursor}]
    kept.append((_PAGE_SIZE, str(PAGE_SIZE)))
    if cursor:
        kept.append((shape.cursor, cursor))
    return urlencode(kept).encode()


def _body(
    shape: Filter, kept: list[Mapping[str, Any]], query: Mapping[str, str], size: int
) -> bytes:
    if not shape.cursor:
        return orjson.dumps({shape.objects: kept})
    ids = [str(each.get(shape.id_field)) for each in kept]
    after = query.get(shape.cursor)
    start = 0
    if after:
        # An object that is gone has nothing after it.
        start = ids.index(after) + 1 if after in ids else len(ids)
    page, has_more = kept[start : start + size], start + size < len(kept)
    body: dict[str, Any] = {
        shape.objects: page,
        "has_more": has_more,
        shape.next_cursor: ids[start + size - 1] if has_more else None,
    }
    if shape.total:
        body[shape.total] = len(kept)
    return orjson.dumps(body)


def _page_size(query: Mapping[str, str], shape: Filter) -> int:
    text = query.get(_PAGE_SIZE) if shape.cursor else None
    if text is None:
        return shape.page_size
    if not text.isdecimal() or not 1 <= int(text) <= PAGE_SIZE:
        raise RefusedRequest(
            Failure(
                FailureKind.BAD_REQUEST,
                f"'{_PAGE_SIZE}' must be a whole number from 1 to {PAGE_SIZE}.",
                param=_PAGE_SIZE,
            )
        )
    return int(text)
