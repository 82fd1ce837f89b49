from __future__ import annotations

import pytest
from mintgate import InvalidArgument, words
from mintgate.v1.keys_pb2 import KEY_STATUS_PAUSED, KeyScope, KeyStatus
from mintgate.v1.unit_pb2 import Unit


def test_word_and_number_are_inverse() -> None:
    """Every word leads to its number and back."""
    for enum_type in (KeyScope, KeyStatus, Unit):
        for word in words.words(enum_type):
            assert word == words.word(enum_type, words.number(enum_type, word, field="x"))


def test_words_are_the_short_names() -> None:
    """The shared prefix is gone and "unspecified" is no word."""
    assert words.words(KeyStatus) == ("active", "paused", "revoked")
    assert words.word(KeyStatus, KEY_STATUS_PAUSED) == "paused"


def test_unspecified_is_empty_and_unknown_is_its_digits() -> None:
    """A number from a newer core is shown rather than hidden."""
    assert words.word(KeyStatus, 0) == ""
    assert words.word(KeyStatus, 99) == "99"


@pytest.mark.parametrize("text", ["", "unspecified", "ACTIVE", "gone"])
def test_refuses_other_words(text: str) -> None:
    """Other words are refused with the list of those that are allowed."""
    with pytest.raises(InvalidArgument, match="active, paused, revoked") as refused:
        words.number(KeyStatus, text, field="status")

    assert refused.value.field == "status"
