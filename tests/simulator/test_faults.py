"""Answers that are slow, oddly cut, encoded or broken, seen by the SDKs and on the wire."""

from __future__ import annotations

import gzip
import hashlib
import threading
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from google.genai import errors, types
from mintgate_simulator.reply import PIECES

if TYPE_CHECKING:
    from google import genai

    from tests.simulator.conftest import Simulator

CHAT = "/openai/v1/chat/completions"
MESSAGES: list[Any] = [{"role": "user", "content": "hello"}]
CHAT_STREAM = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
CHAT_PLAIN = {"model": "gpt-4o", "messages": MESSAGES}
GEMINI = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent"
GEMINI_BODY = {"contents": [{"parts": [{"text": "hello"}]}]}


def chat_texts(client: openai.OpenAI, control: str) -> list[str]:
    texts: list[str] = []
    with client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        stream=True,
        extra_headers={"x-simulate": control},
    ) as stream:
        for chunk in stream:
            texts.extend(filter(None, [choice.delta.content for choice in chunk.choices]))
    return texts


def test_reset_raises_after_what_was_delivered(openai_client: openai.OpenAI) -> None:
    """A reset gives the content before it, then the SDK's connection error."""
    with openai_client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        stream=True,
        extra_headers={"x-simulate": "break=reset; break_after=3"},
    ) as stream:
        seen = [next(stream).choices[0].delta.content for _ in range(4)]
        with pytest.raises(openai.APIConnectionError):
            next(stream)

    assert seen == ["", *PIECES[:3]]


def test_reset_is_raw_for_anthropic(anthropic_client: anthropic.Anthropic) -> None:
    """The Anthropic SDK lets the broken transport show, as it does with the provider."""
    with (
        pytest.raises((httpx2.TransportError, anthropic.APIConnectionError)),
        anthropic_client.messages.stream(
            model="claude-haiku-4-5",
            max_tokens=50,
            messages=MESSAGES,
            extra_headers={"x-simulate": "break=reset; break_after=2"},
        ) as stream,
    ):
        stream.until_done()


def test_clean_end_without_terminal_event_is_silent(openai_client: openai.OpenAI) -> None:
    """A cleanly ended stream reads as complete: the trap the gateway must not set."""
    assert chat_texts(openai_client, "break=eof; break_after=4") == list(PIECES[:4])


def test_fault_falls_before_the_end_of_a_short_stream(sim: Simulator) -> None:
    """With fewer content events than break_after the terminal events are still missing."""
    answer = sim.post(CHAT, CHAT_STREAM, "output=2; break=eof; break_after=50")

    assert answer.text.count('"content":"') == 3
    assert "[DONE]" not in answer.text
    assert '"finish_reason":"stop"' not in answer.text


def test_fault_can_fall_before_any_content(sim: Simulator) -> None:
    """``break_after=0`` leaves only what comes before the content."""
    answer = sim.post(CHAT, CHAT_STREAM, "break=eof; break_after=0")

    assert answer.text.count("data: ") == 1


def test_openai_error_event_raises(openai_client: openai.OpenAI) -> None:
    """The in-stream error is an APIError with the native message."""
    with pytest.raises(openai.APIError, match="server had an error"):
        chat_texts(openai_client, "break=error; break_after=1")


def test_responses_error_event_is_yielded(openai_client: openai.OpenAI) -> None:
    """The Responses API's error is an event like any other, numbered after the last."""
    events = list(
        openai_client.responses.create(
            model="gpt-5.5",
            input="hello",
            stream=True,
            extra_headers={"x-simulate": "break=error; break_after=2"},
        )
    )

    assert events[-1].type == "error"
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_anthropic_error_event_raises(anthropic_client: anthropic.Anthropic) -> None:
    """The error event raises the SDK's status error with the native body."""
    with (
        pytest.raises(anthropic.APIStatusError) as raised,
        anthropic_client.messages.stream(
            model="claude-haiku-4-5",
            max_tokens=50,
            messages=MESSAGES,
            extra_headers={"x-simulate": "break=error; break_after=1"},
        ) as stream,
    ):
        stream.until_done()

    body: Any = raised.value.body
    assert body["error"]["type"] == "api_error"


def test_gemini_error_chunk_raises(sim: Simulator, gemini_client: genai.Client) -> None:
    """The error chunk raises ServerError; in an array it is the last element."""
    options = types.HttpOptions(headers={"x-simulate": "break=error; break_after=2"})
    with pytest.raises(errors.ServerError) as raised:
        list(
            gemini_client.models.generate_content_stream(
                model="gemini-2.5-flash",
                contents="hello",
                config=types.GenerateContentConfig(http_options=options),
            )
        )
    array = sim.post(GEMINI, GEMINI_BODY, "break=error; break_after=2").json()
    only = sim.post(GEMINI, GEMINI_BODY, "break=error; break_after=0").json()

    assert raised.value.code == 503
    assert array[-1]["error"]["status"] == "UNAVAILABLE"
    assert len(array) == 3
    assert [list(element) for element in only] == [["error"]]


def test_unstreamed_error_is_a_status(sim: Simulator) -> None:
    """Where there is no stream to break, ``break=error`` is a native 500."""
    answer = sim.post(CHAT, CHAT_PLAIN, "break=error")

    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"


def test_unstreamed_reset_breaks_the_body(sim: Simulator) -> None:
    """A JSON answer that is reset stops in the middle of its stated length."""
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        sim.post(CHAT, CHAT_PLAIN, "break=reset")

    record = sim.last_record()
    assert record["response_bytes"] > 0
    assert not record["completed"]


def test_unstreamed_end_is_half_a_body(sim: Simulator) -> None:
    """A JSON answer that ends early is no JSON."""
    answer = sim.post(CHAT, CHAT_PLAIN, "break=eof")

    assert answer.status_code == 200
    assert answer.text.startswith("{")
    assert not answer.text.endswith("}")


@pytest.mark.parametrize("body", [CHAT_STREAM, CHAT_PLAIN])
def test_hang_lasts_until_the_client_leaves(sim: Simulator, body: dict[str, Any]) -> None:
    """A hanging answer sends nothing more, and the record knows who left."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            sim.url + CHAT,
            json=body,
            headers={"authorization": "Bearer k", "x-simulate": "break=hang; break_after=2"},
            timeout=0.2,
        )

    number = sim.last_record()["n"]
    for _ in range(200):
        record = next(record for record in sim.records() if record["n"] == number)
        if record["client_left"]:
            break
    assert record["client_left"]
    assert not record["completed"]


def test_client_that_leaves_a_slow_stream_is_noticed(sim: Simulator) -> None:
    """Between delayed events the simulator sees the client go, and stops producing."""
    headers = {"authorization": "Bearer k", "x-simulate": "chunk_delay_ms=5000"}
    with httpx.stream("POST", sim.url + CHAT, json=CHAT_STREAM, headers=headers) as answer:
        next(answer.iter_bytes())

    number = sim.last_record()["n"]
    for _ in range(200):
        record = next(record for record in sim.records() if record["n"] == number)
        if record["client_left"]:
            break
    assert record["client_left"]
    assert record["response_bytes"] < 500


@pytest.mark.parametrize("split", [1, 3, 7, 1000])
def test_odd_splits_change_no_byte(sim: Simulator, split: int) -> None:
    """Pieces of any size, which cut letters and events apart, add up to the same body."""
    whole = sim.post(CHAT, CHAT_STREAM, "output=12").text
    pieces = sim.post(CHAT, CHAT_STREAM, f"output=12; split={split}").text

    numbers = [f"{sim.last_record()['n'] - 1:024x}", f"{sim.last_record()['n']:024x}"]
    assert pieces.replace(numbers[1], "") == whole.replace(numbers[0], "")


@pytest.mark.parametrize("split", [1, 5])
def test_sdks_read_odd_splits(
    split: int,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
    gemini_client: genai.Client,
) -> None:
    """Every SDK puts a stream in odd pieces together again."""
    control = f"output=12; split={split}"
    expected = "".join(PIECES[:12])

    assert "".join(chat_texts(openai_client, control)) == expected
    with anthropic_client.messages.stream(
        model="claude-haiku-4-5",
        max_tokens=50,
        messages=MESSAGES,
        extra_headers={"x-simulate": control},
    ) as stream:
        assert stream.get_final_text() == expected
    options = types.HttpOptions(headers={"x-simulate": control})
    chunks = gemini_client.models.generate_content_stream(
        model="gemini-2.5-flash",
        contents="hello",
        config=types.GenerateContentConfig(http_options=options),
    )
    assert "".join(chunk.text or "" for chunk in chunks) == expected


def test_sdks_read_crlf_and_pings(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    """CRLF line ends and keep-alives between events change nothing for the SDKs."""
    assert chat_texts(openai_client, "crlf; pings; chunks=6; split=2") != []
    assert "".join(chat_texts(openai_client, "crlf; pings")) == "".join(PIECES)
    with anthropic_client.messages.stream(
        model="claude-haiku-4-5",
        max_tokens=50,
        messages=MESSAGES,
        extra_headers={"x-simulate": "crlf; pings"},
    ) as stream:
        assert stream.get_final_text() == "".join(PIECES)


def test_crlf_and_pings_are_on_the_wire(sim: Simulator) -> None:
    """No bare line feed is left with ``crlf``, and every content event has a ping before it."""
    answer = sim.post(CHAT, CHAT_STREAM, "crlf; pings; output=4")

    assert "\n" not in answer.text.replace("\r\n", "")
    assert answer.text.count(": keep-alive\r\n\r\n") == 4


def test_gemini_never_gets_comments(sim: Simulator) -> None:
    """Its SDK cannot read them, so its streams have neither pings nor changed line ends."""
    plain = sim.post(f"{GEMINI}?alt=sse", GEMINI_BODY, "output=4").text
    pinged = sim.post(f"{GEMINI}?alt=sse", GEMINI_BODY, "output=4; pings; crlf").text

    assert pinged.count("data: ") == plain.count("data: ") == pinged.count("\r\n\r\n")
    assert "keep-alive" not in pinged


@pytest.mark.parametrize("body", [CHAT_STREAM, CHAT_PLAIN])
@pytest.mark.parametrize("extra", ["", "; split=3"])
def test_gzip_decodes_to_the_answer(sim: Simulator, body: dict[str, Any], extra: str) -> None:
    """An encoded answer says so, decodes, and is recorded as it was sent."""
    answer = sim.post(CHAT, body, f"gzip{extra}")
    record = sim.last_record()
    sent = sim.http.get(f"{sim.url}/_sim/answers/{record['n']}").content

    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(sent) == answer.content
    assert hashlib.sha256(sent).hexdigest() == record["response_sha256"]
    assert record["response_bytes"] == len(sent)


def test_broken_gzip_stream_ends_its_encoding_only_when_clean(sim: Simulator) -> None:
    """A clean early end closes the encoding too; what was delivered can be read."""
    answer = sim.post(CHAT, CHAT_STREAM, "gzip; break=eof; break_after=2")

    assert answer.text.count('"content":"') == 3


@pytest.mark.parametrize("chunks", [1, 7, 40])
def test_chunks_set_the_number_of_content_events(openai_client: openai.OpenAI, chunks: int) -> None:
    """The text comes in exactly that many events."""
    texts = chat_texts(openai_client, f"chunks={chunks}")

    assert len(texts) == chunks
    assert "".join(texts) == "".join(PIECES)


def test_delay_holds_back_the_first_byte(sim: Simulator) -> None:
    """A client whose patience is shorter than delay_ms gets nothing at all."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            sim.url + CHAT,
            json=CHAT_PLAIN,
            headers={"authorization": "Bearer k", "x-simulate": "delay_ms=60000"},
            timeout=0.2,
        )

    assert sim.last_record()["response_bytes"] == 0


def test_answers_do_not_wait_for_each_other(sim: Simulator) -> None:
    """A hanging answer holds up nobody else."""
    left = threading.Event()

    def hang() -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                sim.url + CHAT,
                json=CHAT_PLAIN,
                headers={"authorization": "Bearer k", "x-simulate": "break=hang"},
                timeout=0.5,
            )
        left.set()

    thread = threading.Thread(target=hang)
    thread.start()
    assert sim.post(CHAT, CHAT_PLAIN).status_code == 200
    assert not left.is_set()
    thread.join()
