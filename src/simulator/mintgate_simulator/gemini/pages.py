"""Google's lists: a field of the page, and ``nextPageToken``; the newest stand first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

PAGE = 10


def page(request: Request, field: str, documents: Iterable[dict[str, Any]]) -> Answer:
    """One page of documents that are given oldest first."""
    newest = list(documents)[::-1]
    start = int(request.query_value("pageToken") or 0)
    end = start + int(request.query_value("pageSize") or PAGE)
    body: dict[str, Any] = {field: newest[start:end]}
    if end < len(newest):
        body["nextPageToken"] = str(end)
    return wire.whole(body)
