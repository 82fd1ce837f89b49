"""Kimi's files with the OpenAI SDK: stored for their text, and each its key's alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import openai
import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream

NOTES = ("notes.txt", b"What was said.", "text/plain")


@pytest.fixture
def sdk_of() -> Iterator[Callable[[Buyer], openai.OpenAI]]:
    with ExitStack() as stack:
        yield lambda buyer: stack.enter_context(
            openai.OpenAI(
                base_url=f"{buyer.gateway.url}/kimi/v1", api_key=buyer.secret, max_retries=0
            )
        )


def stored(sdk: openai.OpenAI, purpose: str = "file-extract") -> str:
    # Kimi's documentation says so itself: the SDK's type knows OpenAI's purposes alone.
    return sdk.files.create(file=NOTES, purpose=purpose).id  # type: ignore[arg-type]


def test_files(
    gateway: Installation,
    buyer: Buyer,
    upstream: Upstream,
    sdk_of: Callable[[Buyer], openai.OpenAI],
) -> None:
    """A key stores, lists, reads and deletes its files for nothing; others find none."""
    other = Buyer.mint(gateway)
    sdk, strange = sdk_of(buyer), sdk_of(other)
    made = [stored(sdk) for _ in range(2)]
    assert [each.id for each in sdk.files.list()] == made[::-1]
    assert sdk.files.retrieve(made[0]).filename == NOTES[0]
    assert sdk.files.content(made[0]).read() == NOTES[1]
    seen = len(upstream.requests())
    attempts: list[Callable[[], object]] = [
        lambda: strange.files.retrieve(made[0]),
        lambda: strange.files.content(made[0]),
        lambda: strange.files.delete(made[0]),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    assert list(strange.files.list()) == []
    assert len(upstream.requests()) == seen
    sdk.files.delete(made[0])
    assert [each.id for each in sdk.files.list()] == [made[1]]
    buyer.untouched()
    other.untouched()


@pytest.mark.parametrize("purpose", ["batch", "image", "video", "assistants"])
def test_files_for_anything_else(
    buyer: Buyer, upstream: Upstream, sdk_of: Callable[[Buyer], openai.OpenAI], purpose: str
) -> None:
    """A file that a request could only name, at a cost that is not seen, is not stored."""
    with pytest.raises(openai.BadRequestError, match="file-extract"):
        stored(sdk_of(buyer), purpose)
    assert upstream.requests() == []
