"""Lists of stored objects are paged over what a key owns, whatever a provider's own list holds."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate_facade.dialects.base import RefusedRequest
from mintgate_facade.relay.listing import LIMIT, LIMIT_MAX, Page, begins, listing_body

OWNED = [f"file-{n}" for n in range(300, 0, -1)]


@given(limit=st.integers(1, 400), order=st.sampled_from(["asc", "desc"]))
def test_pages_make_the_whole_list(limit: int, order: str) -> None:
    """Page after page, each object is listed once and in order."""
    seen: list[str] = []
    query = {"limit": str(limit), "order": order}
    while True:
        page = Page.of(query, OWNED)
        assert len(page.ids) <= min(limit, LIMIT_MAX)
        seen += page.ids
        if not page.has_more:
            break
        query["after"] = page.ids[-1]
    assert seen == (OWNED if order == "desc" else OWNED[::-1])


def test_cursors_of_both_dialects() -> None:
    """OpenAI's `after`, Anthropic's `after_id`, `before_id` and `page` go on from an object."""
    for query in ({"after": "file-299"}, {"after_id": "file-299"}, {"page": "page_file-299"}):
        assert Page.of(query, OWNED).ids[0] == "file-298"
    before = Page.of({"before_id": "file-280", "limit": "2"}, OWNED)
    assert before.ids == ("file-282", "file-281")
    assert before.has_more


@given(size=st.integers(1, 400))
def test_numbered_pages_make_the_whole_list(size: int) -> None:
    """Mistral's pages have numbers from 0, and say how many objects there are."""
    seen: list[str] = []
    for number in range(len(OWNED)):
        page = Page.of({"page": str(number), "page_size": str(size)}, OWNED)
        seen += page.ids
        assert page.total == orjson.loads(listing_body([], page, {}))["total"] == len(OWNED)
        if not page.has_more:
            break
    assert seen == OWNED
    assert Page.of({"page": "9" * 9}, OWNED).ids == ()
    assert Page.of({"page": "9" * 5_000}, OWNED).ids == ()


def test_a_cursor_of_another_key_lists_nothing() -> None:
    """An id that the key does not own tells nothing, not even that it exists."""
    assert Page.of({"after": "file-of-another"}, OWNED) == Page((), has_more=False)


@given(limit=st.integers(1, LIMIT_MAX), known=st.integers(LIMIT_MAX + 1, 300))
def test_a_first_page_needs_no_more_than_the_newest(limit: int, known: int) -> None:
    """Where a page begins at the newest, what is older than a page changes nothing in it."""
    query = {"limit": str(limit)}
    assert begins(query)
    assert Page.of(query, OWNED[:known]) == Page.of(query, OWNED)
    for further in ({"after": "file-1"}, {"pageToken": "file-1"}, {"order": "asc"}):
        assert not begins(query | further)


def test_objects_asked_for_by_name() -> None:
    """Of the names that are given, those that the key owns are listed."""
    assert Page.of({}, OWNED, ["file-9", "file-of-another"]).ids == ("file-9",)


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"limit": "-1"}, {"order": "?"}])
def test_what_cannot_be_paged(query: dict[str, str]) -> None:
    """A bad limit or order is named, not guessed at."""
    with pytest.raises(RefusedRequest):
        Page.of(query, OWNED)


def test_objects_stand_as_the_provider_wrote_them() -> None:
    """Each object's bytes are kept; a filter leaves out what it does not fit."""
    written = [b'{"id":"a",  "purpose":"x"}', b'{"id":"b","purpose":"y"}']
    page = Page(("a", "b"), has_more=True)
    body = listing_body(written, page, {"purpose": "x"})
    assert written[0] in body
    answer = orjson.loads(body)
    assert [each["id"] for each in answer["data"]] == ["a"]
    assert (answer["last_id"], answer["next_page"], answer["has_more"]) == ("b", "page_b", True)
    assert len(Page.of({}, OWNED).ids) == LIMIT


def test_objects_are_filtered_by_what_they_have() -> None:
    """A model picks where it is told, and entries of metadata pick each by itself."""
    written = [
        b'{"id":"a","model":"m","metadata":{"topic":"x","team":"y"}}',
        b'{"id":"b","model":"n","metadata":{"topic":"x"}}',
        b'{"id":"c","metadata":null}',
    ]

    def listed(query: dict[str, str]) -> str:
        body = listing_body(written, Page(("a", "b", "c"), has_more=False), query)
        return "".join(each["id"] for each in orjson.loads(body)["data"])

    assert listed({"model": "m"}) == "ac"
    assert listed({"metadata[topic]": "x"}) == "ab"
    assert listed({"metadata[topic]": "x", "metadata[team]": "y"}) == "a"
    assert listed({"model": "n", "metadata[topic]": "x"}) == "b"
