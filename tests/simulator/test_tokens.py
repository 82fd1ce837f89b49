"""The rules of counting, cutting and sampling, without a server."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate_simulator.control import Controls
from mintgate_simulator.reply import (
    PIECES,
    argument_deltas,
    pieces_of,
    plan_reply,
    text_deltas,
)
from mintgate_simulator.tokens import BYTES_PER_TOKEN, count_prompt
from mintgate_simulator.tools import make_call

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["text", "content", "data", "url", "type", "mimeType", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_tokens_never_exceed_the_bytes_of_the_body(body: Any) -> None:
    """Whatever the body, its tokens are at most its bytes: the bound a gateway may hold."""
    assert count_prompt(body).total <= len(orjson.dumps(body))


def test_text_leaves_count_and_structure_does_not() -> None:
    """Roles and types are no text; the bytes of all texts are added before rounding up."""
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "user", "content": [{"type": "text", "text": "Zürich"}]},
    ]

    assert count_prompt(messages).total == -(-(5 + 7) // 4)


@pytest.mark.parametrize(
    ("part", "modality"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x.invalid/a.png"}}, "image"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "audio"),
        ({"source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}, "image"),
        ({"fileData": {"mimeType": "audio/mp3", "fileUri": "https://x.invalid/a"}}, "audio"),
        ({"image_url": "data:image/png;base64,AAAA"}, "image"),
    ],
)
def test_media_are_counted_in_their_modality(part: dict[str, Any], modality: str) -> None:
    """Inline data and references of every dialect count as a medium and not as text."""
    tokens = count_prompt([part])

    assert getattr(tokens, modality) == tokens.total > 0


def test_every_piece_is_one_token() -> None:
    """Each piece of the fixed text has four bytes, so its tokens are its pieces."""
    assert {len(piece.encode()) for piece in PIECES} == {BYTES_PER_TOKEN}


@given(
    output=st.integers(0, 200),
    reasoning=st.integers(0, 200),
    limit=st.none() | st.integers(0, 300),
)
def test_output_never_passes_the_limit(output: int, reasoning: int, limit: int | None) -> None:
    """Visible and hidden tokens stay inside the limit, and cut says whether any were lost."""
    reply = plan_reply(Controls(output=output, reasoning=reasoning), limit=limit)

    assert limit is None or reply.output <= limit
    assert reply.cut == (reply.output < output + reasoning)
    assert len(reply.text.encode()) == BYTES_PER_TOKEN * reply.tokens


@given(tokens=st.integers(0, 100), chunks=st.none() | st.integers(1, 500))
def test_deltas_add_up_to_the_text(tokens: int, chunks: int | None) -> None:
    """However a text is cut into events, nothing is lost and no event is empty."""
    reply = plan_reply(Controls(output=tokens), limit=None)
    deltas = text_deltas(reply, chunks)

    assert "".join(deltas) == "".join(pieces_of(tokens))
    assert all(deltas)
    assert chunks is None or len(deltas) == min(chunks, len(reply.text))


@given(limit=st.none() | st.integers(0, 20), chunks=st.none() | st.integers(1, 50))
def test_arguments_are_cut_at_the_limit(limit: int | None, chunks: int | None) -> None:
    """A tool's arguments stream in pieces that add up, and end at the limit too."""
    schema = {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    call = make_call("f", schema)
    reply = plan_reply(Controls(), limit=limit, call=call)

    assert "".join(argument_deltas(reply, chunks)) == reply.arguments
    assert call.arguments.startswith(reply.arguments)
    assert reply.cut == (reply.arguments != call.arguments)


def test_sample_arguments_follow_the_schema() -> None:
    """Each kind of schema gets a value of its kind; only required properties are filled in."""
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": ["integer", "null"]},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "fixed": {"const": 7},
            "tags": {"type": "array", "items": {"type": "STRING"}},
            "either": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            "inner": {"type": "OBJECT", "properties": {"x": {"type": "NUMBER"}}},
            "spare": {"type": "string"},
        },
        "required": ["text", "count", "unit", "fixed", "tags", "either", "inner"],
    }

    assert make_call("f", schema).values == {
        "text": "sample",
        "count": 1,
        "unit": "C",
        "fixed": 7,
        "tags": ["sample"],
        "either": True,
        "inner": {"x": 1.5},
    }


@given(JSON)
def test_any_schema_gives_json_arguments(schema: Any) -> None:
    """Whatever stands where a schema should be, the arguments are a JSON object."""
    assert isinstance(orjson.loads(make_call("f", schema).arguments), dict)
