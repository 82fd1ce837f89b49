"""Our own count of delivered text, for answers that end before their usage."""

from __future__ import annotations

from typing import Any

import pytest
from mintgate_facade.dialects.counted import delivered_input, text_bytes, tokens_in


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [
        ("abc", 3),
        ("Gr\u00fc\u00dfe", 7),
        ("\ud800", 3),
        (None, 0),
        (7, 0),
        ({"id": "long-id", "text": "ab", "role": "user", "type": "text"}, 2),
        ([{"function": {"name": "f", "arguments": "{}"}}, "x"], 4),
        ({"b64_json": "AAAA", "revised_prompt": "ab"}, 2),
    ],
)
def test_only_text_counts(value: Any, size_bytes: int) -> None:
    """Texts count in UTF-8 wherever they stand; ids, roles and binary data do not."""
    assert text_bytes(value) == size_bytes


def test_depth_is_no_limit() -> None:
    """A model can be talked into arguments of any depth, and they are still counted."""
    value: Any = "ab"
    for _ in range(5_000):
        value = {"a": [value]}

    assert text_bytes(value) == 2


def test_tokens_are_rounded_up_and_bounded() -> None:
    """Three bytes a token, never less than one for any text, never above the bound."""
    assert [tokens_in(size) for size in (0, 1, 3, 4)] == [0, 1, 1, 2]
    assert delivered_input(100, 30, media_tokens=5) == 15
    assert delivered_input(10, 300) == 10
