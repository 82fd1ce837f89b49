"""Gemini's ``usageMetadata`` (google/genai/types.py, GenerateContentResponseUsageMetadata).

Cached tokens lie inside the prompt, thoughts outside the candidates; the total adds prompt, tool
use, candidates and thoughts; what is 0 is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mintgate_simulator.tally import InputTally


@dataclass(frozen=True, slots=True)
class Usage:
    """The final numbers of one answer, over all its candidates.

    ``candidates`` includes ``audio_output`` and ``image_output``.
    """

    input: InputTally
    tool_use: int
    thoughts: int
    candidates: int
    audio_output: int
    image_output: int
    tier: str | None

    def so_far(self, candidates: int) -> dict[str, Any]:
        """Usage of a chunk, when that many tokens of the candidates have been made."""
        return self._numbers(candidates)

    def whole(self) -> dict[str, Any]:
        """The final usage."""
        numbers = self._numbers(self.candidates)
        text = self.candidates - self.audio_output - self.image_output
        details = _details(TEXT=text, IMAGE=self.image_output, AUDIO=self.audio_output)
        if details:
            numbers["candidatesTokensDetails"] = details
        return numbers

    def _numbers(self, candidates: int) -> dict[str, Any]:
        given = self.input
        numbers = {
            "promptTokenCount": given.total,
            "cachedContentTokenCount": given.cached,
            "toolUsePromptTokenCount": self.tool_use,
            "candidatesTokenCount": candidates,
            "thoughtsTokenCount": self.thoughts,
            "totalTokenCount": given.total + self.tool_use + candidates + self.thoughts,
            "promptTokensDetails": _details(TEXT=given.text, IMAGE=given.image, AUDIO=given.audio),
            "cacheTokensDetails": _details(TEXT=given.cached),
            "toolUsePromptTokensDetails": _details(TEXT=self.tool_use),
            "serviceTier": self.tier,
        }
        return {name: number for name, number in numbers.items() if number}


def _details(**counts: int) -> list[dict[str, Any]]:
    return [
        {"modality": modality, "tokenCount": count} for modality, count in counts.items() if count
    ]
