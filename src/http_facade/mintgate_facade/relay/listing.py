"""Pages of a list of stored objects, as OpenAI and Anthropic page theirs.

OpenAI: `limit`, `after`, `before`, `order` (openai/pagination.py). Anthropic: `limit`,
`after_id`, `before_id`, and since 2.0 `page` and `ids` (anthropic/resources/beta/files.py).
Both answer `data`, `has_more`, `first_id` and `last_id`; Anthropic also `next_page`.
Mistral: `page`, a number from 0, and `page_size`; it answers `total` besides.
Google: `pageSize`, `pageToken`; it answers a field of its own and `nextPageToken`.
"""

from __future__ import annotations

from collections.abc import ItemsView, Mapping, Sequence
from dataclasses import dataclass

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

LIMIT = 20
LIMIT_MAX = 100
"""Each object of a page is a request to the provider."""
DIGITS_MAX = 9
"""Of a number in a query."""
_PAGE = "page_"
_CURSORS = frozenset({"after", "after_id", "before", "before_id", "page", "pageToken"})
_FILTERS = ("model", "purpose")
"""Query parameters that pick objects by a field of the same name, where they have it."""
_METADATA = "metadata["
"""Begins one that picks them by an entry of their metadata: `metadata[topic]=demo`."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which objects a request asks for."""

    ids: tuple[str, ...]
    has_more: bool
    total: int | None = None
    """All that there are, where pages have numbers."""

    @classmethod
    def of(cls, query: Mapping[str, str], owned: Sequence[str], named: Sequence[str] = ()) -> Page:
        """Choose from the ids that a key owns, newest first; `named` are asked for by name.

        Raises `RefusedRequest` (400) for a bad limit or order.
        """
        if named:
            return cls(tuple(each for each in named[:LIMIT_MAX] if each in owned), has_more=False)
        limit = _limit(query.get("limit") or query.get("pageSize"))
        order = query.get("order", "desc")
        if order not in {"asc", "desc"}:
            raise _refused("order", "must be 'asc' or 'desc'")
        ids = list(owned) if order == "desc" else list(reversed(owned))
        if _is_number(query.get("page", "")):
            size = _limit(query.get("page_size"), LIMIT_MAX, "page_size")
            start = int(query["page"]) * size
            return cls(tuple(ids[start : start + size]), len(ids) > start + size, len(ids))
        page = query.get("page", "").removeprefix(_PAGE)
        after = query.get("after") or query.get("after_id") or query.get("pageToken") or page
        before = query.get("before") or query.get("before_id")
        if after:
            ids = ids[ids.index(after) + 1 :] if after in ids else []
        if before:
            ids = ids[: ids.index(before)] if before in ids else []
            # The page that ends there, not the first one.
            return cls(tuple(ids[-limit:]), len(ids) > limit)
        return cls(tuple(ids[:limit]), len(ids) > limit)


def begins(query: Mapping[str, str]) -> bool:
    """Whether the newest objects alone make the page: it goes on from none and is not turned."""
    return _CURSORS.isdisjoint(query) and query.get("order", "desc") == "desc"


def google_listing(field: str, described: Sequence[bytes], page: Page) -> bytes:
    """Build Google's list; empty fields are left out."""
    body: dict[str, object] = {}
    if described:
        body[field] = [orjson.Fragment(each) for each in described]
    if page.has_more:
        body["nextPageToken"] = page.ids[-1]
    return orjson.dumps(body)


def listing_body(described: Sequence[bytes], page: Page, query: Mapping[str, str]) -> bytes:
    """Build the list; each object stands in it as the provider wrote it."""
    wanted = {name: query[name] for name in _FILTERS if name in query}
    entries = {
        name.removeprefix(_METADATA).removesuffix("]"): value
        for name, value in query.items()
        if name.startswith(_METADATA)
    }
    filtered = bool(wanted or entries)
    kept = [body for body in described if not filtered or _is_wanted(body, wanted.items(), entries)]
    head: dict[str, object] = {
        "object": "list",
        "has_more": page.has_more,
        # Where to go on from, also when the last object was filtered out.
        "first_id": page.ids[0] if page.ids else None,
        "last_id": page.ids[-1] if page.ids else None,
        "next_page": _PAGE + page.ids[-1] if page.has_more else None,
    }
    if page.total is not None:
        head["total"] = page.total
    return orjson.dumps({**head, "data": [orjson.Fragment(body) for body in kept]})


def _is_wanted(body: bytes, wanted: ItemsView[str, str], entries: Mapping[str, str]) -> bool:
    document = orjson.loads(body)
    metadata = document.get("metadata")
    has = metadata if isinstance(metadata, dict) else {}
    return all(document.get(name, value) == value for name, value in wanted) and all(
        has.get(name) == value for name, value in entries.items()
    )


def _limit(text: str | None, usual: int = LIMIT, name: str = "limit") -> int:
    if text is None:
        return usual
    if not _is_number(text) or not int(text):
        raise _refused(name, "must be a whole number above 0")
    return min(int(text), LIMIT_MAX)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= DIGITS_MAX


def _refused(name: str, why: str) -> RefusedRequest:
    return RefusedRequest(Failure(FailureKind.BAD_REQUEST, f"'{name}' {why}.", param=name))
