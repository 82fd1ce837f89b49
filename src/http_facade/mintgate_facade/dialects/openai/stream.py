"""Meters of OpenAI's streamed answers: chat and completions, responses, images."""

from __future__ import annotations

from typing import Any

from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
)

from mintgate_facade.dialects.base import Ask
from mintgate_facade.dialects.base_resp import refused_status
from mintgate_facade.dialects.counted import text_bytes, utf8_bytes
from mintgate_facade.dialects.openai.flavor import Flavor
from mintgate_facade.dialects.openai.usage import (
    is_search,
    keeps_long,
    read_usage,
    searched,
    tier_variant,
    web_searches,
    with_searches,
)
from mintgate_facade.dialects.split import Units
from mintgate_facade.dialects.streams import Fate, SseMeter

AUDIO_BASE64_BYTES_PER_TOKEN = 3_200
"""Streamed chat audio is pcm16 at 24 kHz, 50 ms a token: 2,400 bytes, 3,200 in base64."""
PARTIAL_IMAGE_TOKENS = 100
"""What each partial image adds to the output, by OpenAI's image guide."""


class ChatStreamMeter(SseMeter):
    """Chat and legacy completions: `data:` chunks, then a usage chunk, then `[DONE]`.

    Vendors put usage on a chunk of its own with empty `choices`, or on the chunk
    that carries the finish reason. The first cannot change; the second is taken
    as final at `[DONE]`.
    """

    def __init__(self, ask: Ask, flavor: Flavor) -> None:
        super().__init__(ask)
        self._flavor = flavor
        self._usage: tuple[Units, int] | None = None
        self._usage_alone = False
        self._tier: Any = None
        self._audio_base64_bytes = 0

    @property
    def final(self) -> bool:
        """The usage chunk was seen, or usage and then the end."""
        return self._usage is not None and (self._usage_alone or self._complete)

    def _see(self, event: dict[str, Any]) -> Fate:
        if not self._provider_request_id:
            self._provider_request_id = str(event.get("id") or "")
            self._model = str(event.get("model") or "")
        tier = event.get("service_tier")
        if tier and tier != self._tier:
            self._tier = tier
            self._variants = tier_variant(tier)
        if self._flavor.fails_within_200 and (status := refused_status(event)):
            return self._see_failure(status)
        choices = event.get("choices")
        if choices:
            for choice in choices:
                self._count_choice(choice)
        stated = event.get("usage")
        if stated is None and choices and isinstance(choices[0], dict):
            stated = choices[0].get("usage")
        if stated is not None:
            return self._see_usage(stated, alone=not choices)
        return Fate.PASS

    def _see_failure(self, status: int) -> Fate:
        """Take a failure: a refusal before anything was written, and the end of it after."""
        self._failed = True
        if self._text_bytes == 0 and self._usage is None:
            self._refused = status
            # Nothing may follow it, and MiniMax sends no `[DONE]` then.
            self._complete = True
            return Fate.KEEP
        return Fate.PASS

    def _see_usage(self, stated: Any, *, alone: bool) -> Fate:
        usage = read_usage(
            stated, states_cost=self._flavor.states_cost, kept_long=keeps_long(self._ask)
        )
        if usage is None:
            return Fate.PASS
        self._usage = usage
        self._usage_alone = self._usage_alone or alone
        return Fate.DROP if alone and self._ask.hide_usage else Fate.PASS

    def _count_choice(self, choice: Any) -> None:
        if not isinstance(choice, dict):
            return
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for name, value in delta.items():
                if value is None or name == "role":
                    continue
                self._text_bytes += text_bytes(value)
                if name == "audio" and isinstance(value, dict):
                    self._audio_base64_bytes += len(str(value.get("data") or ""))
        else:
            self._text_bytes += text_bytes(choice.get("text"))

    def _exact(self) -> tuple[Units, int] | None:
        return self._usage

    def _counted_units(self) -> Units:
        units = super()._counted_units()
        audio_tokens = -(-self._audio_base64_bytes // AUDIO_BASE64_BYTES_PER_TOKEN)
        return {**units, UNIT_OUTPUT_AUDIO_TOKENS: audio_tokens}


class ResponsesStreamMeter(SseMeter):
    """Responses: named events; the terminal one carries the whole response."""

    _TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})

    def __init__(self, ask: Ask, flavor: Flavor) -> None:
        super().__init__(ask)
        self._flavor = flavor
        self._usage: tuple[Units, int] | None = None
        self._searches = 0
        self._variants = searched(ask)

    @property
    def final(self) -> bool:
        """A terminal event with usage was seen."""
        return self._usage is not None

    def _see(self, event: dict[str, Any]) -> Fate:
        kind = event.get("type")
        delta = event.get("delta")
        if isinstance(delta, str):
            if kind != "response.audio.delta":
                self._text_bytes += utf8_bytes(delta)
            return Fate.PASS
        response = event.get("response")
        if isinstance(response, dict):
            self._see_response(response)
            if kind in self._TERMINAL:
                self._complete = True
                usage = read_usage(
                    response.get("usage"),
                    states_cost=self._flavor.states_cost,
                    kept_long=keeps_long(self._ask),
                )
                if usage is not None:
                    units, reasoning = usage
                    self._usage = with_searches(units, web_searches(response)), reasoning
                return Fate.KEEP
        elif kind == "response.output_item.done" and is_search(event.get("item")):
            self._searches += 1
        return Fate.PASS

    def _see_response(self, response: dict[str, Any]) -> None:
        self._provider_request_id = str(response.get("id") or self._provider_request_id)
        self._model = str(response.get("model") or self._model)
        if response.get("service_tier"):
            self._variants = (*tier_variant(response["service_tier"]), *searched(self._ask))

    def _exact(self) -> tuple[Units, int] | None:
        return self._usage

    def _counted_units(self) -> Units:
        return with_searches(super()._counted_units(), self._searches)


class ImageStreamMeter(SseMeter):
    """Images: partial pictures, then one `image_generation.completed` with usage."""

    def __init__(self, ask: Ask, flavor: Flavor) -> None:  # noqa: ARG002 - made like the others
        super().__init__(ask)
        self._usage: tuple[Units, int] | None = None
        self._partials = 0

    @property
    def final(self) -> bool:
        """The completed event was seen with its usage."""
        return self._usage is not None

    def _see(self, event: dict[str, Any]) -> Fate:
        kind = str(event.get("type") or "")
        if kind.endswith(".partial_image"):
            self._partials += 1
        if not kind.endswith(".completed"):
            return Fate.PASS
        self._complete = True
        self._usage = read_usage(event.get("usage"), image_output=True)
        return Fate.KEEP

    def _exact(self) -> tuple[Units, int] | None:
        return self._usage

    def _counted_units(self) -> Units:
        """Count the picture in full once a part of it came: it had to be drawn for that."""
        bound = self._ask.bound
        return {
            UNIT_INPUT_TOKENS: self._ask.delivered_input_tokens,
            UNIT_OUTPUT_IMAGE_TOKENS: bound.output_tokens if self._partials else 0,
        }
