"""Every other OpenAI route: legacy completions, embeddings, images, moderations, models."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING, Any

import openai
import pytest
from mintgate_simulator.openai.images import image_tokens
from mintgate_simulator.reply import PIECES

if TYPE_CHECKING:
    from tests.simulator.conftest import Simulator


def simulate(text: str) -> dict[str, str]:
    return {"x-simulate": text}


def test_legacy_completion_defaults_to_16_tokens(openai_client: openai.OpenAI) -> None:
    """Without a limit the legacy interface stops after 16 tokens."""
    completion = openai_client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="hello", extra_headers=simulate("output=40")
    )

    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].text == "".join(PIECES[:16])
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 16


def test_best_of_is_billed_for_every_prompt(openai_client: openai.OpenAI) -> None:
    """All completions made are billed, of which n are returned for each prompt."""
    completion = openai_client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt=["hello", "worlds!!!"], n=2, best_of=3, max_tokens=5
    )

    assert len(completion.choices) == 4
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 2 * 3 * 5
    assert completion.usage.prompt_tokens == 2 + 3


def test_legacy_stream_states_usage_only_when_asked(openai_client: openai.OpenAI) -> None:
    """The legacy stream follows the rule of chat: usage in a last chunk without choices."""
    silent = list(openai_client.completions.create(model="m", prompt="hello", stream=True))
    asked = list(
        openai_client.completions.create(
            model="m", prompt="hello", stream=True, stream_options={"include_usage": True}
        )
    )

    assert all("usage" not in chunk.model_fields_set for chunk in silent)
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert asked[-1].usage.completion_tokens == 16


@pytest.mark.parametrize("arguments", [{"n": 3, "best_of": 2}, {"prompt": [{}]}, {"max_tokens": 0}])
def test_bad_legacy_request_is_refused(
    openai_client: openai.OpenAI, arguments: dict[str, Any]
) -> None:
    """What the provider would refuse raises the SDK's BadRequestError."""
    given = {"model": "m", "prompt": "hello", **arguments}
    with pytest.raises(openai.BadRequestError):
        openai_client.post("/completions", body=given, cast_to=object)


def test_embeddings_are_the_same_in_both_encodings(openai_client: openai.OpenAI) -> None:
    """The SDK decodes base64 to the floats that the float encoding gives."""
    packed = openai_client.embeddings.create(model="text-embedding-3-small", input="hello")
    plain = openai_client.embeddings.create(
        model="text-embedding-3-small", input="hello", encoding_format="float"
    )

    assert len(packed.data[0].embedding) == 1536
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert sum(value * value for value in plain.data[0].embedding) == pytest.approx(1, abs=1e-4)
    assert (plain.usage.prompt_tokens, plain.usage.total_tokens) == (2, 2)


def test_embeddings_take_lists_tokens_and_dimensions(openai_client: openai.OpenAI) -> None:
    """Every form of input gives a vector for each entry, at the length asked for."""
    texts = openai_client.embeddings.create(
        model="text-embedding-3-small", input=["hello", "worlds!!!"], dimensions=256
    )
    tokens = openai_client.embeddings.create(
        model="text-embedding-3-large", input=[[1, 2, 3], [4, 5]]
    )

    assert [len(item.embedding) for item in texts.data] == [256, 256]
    assert texts.usage.prompt_tokens == 5
    assert [len(item.embedding) for item in tokens.data] == [3072, 3072]
    assert tokens.usage.prompt_tokens == 5


def test_image_is_a_real_png_with_usage(openai_client: openai.OpenAI) -> None:
    """An image decodes as PNG and is billed by size, quality and number."""
    answer = openai_client.images.generate(
        model="gpt-image-1.5", prompt="a cat", size="1024x1536", quality="medium", n=2
    )

    assert answer.data is not None
    assert len(answer.data) == 2
    png = base64.b64decode(answer.data[0].b64_json or "")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    length = struct.unpack(">I", png[33:37])[0]
    assert len(zlib.decompress(png[41 : 41 + length])) == height * (1 + 3 * width)
    assert answer.usage is not None
    assert answer.usage.output_tokens == 2 * 1584
    assert answer.usage.input_tokens == 2
    assert (answer.size, answer.quality) == ("1024x1536", "medium")


def test_image_defaults_to_the_dearest_standard_square(openai_client: openai.OpenAI) -> None:
    """``auto`` is high quality at 1024x1024."""
    answer = openai_client.images.generate(model="gpt-image-1.5", prompt="a cat")

    assert answer.usage is not None
    assert answer.usage.output_tokens == 4160


def test_image_tokens_scale_with_the_area() -> None:
    """A size outside the table costs its share of the square, rounded up."""
    assert image_tokens("low", "512x1024") == 136
    assert image_tokens("low", "16x16") == 1


def test_image_stream_bills_its_partial_images(openai_client: openai.OpenAI) -> None:
    """Partial images come first and cost 100 tokens each."""
    events = list(
        openai_client.images.generate(
            model="gpt-image-1.5", prompt="a cat", quality="low", stream=True, partial_images=2
        )
    )

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert last.usage.output_tokens == 272 + 200


@pytest.mark.parametrize(
    ("form", "magic"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")]
)
def test_image_comes_in_the_format_asked_for(
    openai_client: openai.OpenAI, form: Any, magic: bytes
) -> None:
    """The picture's own bytes are of the stated format."""
    answer = openai_client.images.generate(
        model="gpt-image-1.5", prompt="a cat", output_format=form
    )

    assert answer.data is not None
    assert base64.b64decode(answer.data[0].b64_json or "").startswith(magic)
    assert answer.output_format == form


def test_retired_image_models_have_no_usage(openai_client: openai.OpenAI) -> None:
    """DALL-E answers with a URL and without usage."""
    answer = openai_client.images.generate(model="dall-e-3", prompt="a cat")

    assert answer.usage is None
    assert answer.data is not None
    assert answer.data[0].url is not None


def test_moderation_flags_nothing(openai_client: openai.OpenAI) -> None:
    """Each text gets a clean result; there is no usage."""
    answer = openai_client.moderations.create(input=["hello", "world"])

    assert [result.flagged for result in answer.results] == [False, False]
    assert answer.results[0].categories.harassment_threatening is False
    assert not hasattr(answer, "usage")


def test_models_can_be_listed_and_fetched(openai_client: openai.OpenAI) -> None:
    """Every listed model can be fetched; another one is a typed 404."""
    names = [model.id for model in openai_client.models.list()]

    assert openai_client.models.retrieve(names[0]).id == names[0]
    with pytest.raises(openai.NotFoundError) as raised:
        openai_client.models.retrieve("gpt-0")
    assert raised.value.code == "model_not_found"


def test_unknown_url_and_method_are_native_errors(sim: Simulator) -> None:
    """An unknown path is 404 and a wrong method 405, both as OpenAI words them."""
    unknown = sim.post("/openai/v1/nothing", {})
    wrong = sim.http.get(f"{sim.url}/openai/v1/responses", headers={"authorization": "Bearer x"})

    assert unknown.status_code == 404
    assert unknown.json()["error"]["message"] == "Invalid URL (POST /v1/nothing)"
    assert wrong.status_code == 405
    assert wrong.json()["error"]["type"] == "invalid_request_error"
