"""Input tokens after the controls have had their say, by modality and by cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .control import Controls
    from .tokens import PromptTokens


@dataclass(frozen=True, slots=True)
class InputTally:
    """``cached`` and ``cache_write`` are parts of ``total``, as are the modalities.

    Anthropic counts its cache apart from the input; its twin takes ``claimed`` and the controls.
    """

    total: int
    text: int
    image: int
    audio: int
    cached: int
    cache_write: int


def claimed(controls: Controls, prompt: PromptTokens) -> int:
    """The stated number of input tokens, else the counted one."""
    return prompt.total if controls.input is None else controls.input


def tally_input(controls: Controls, prompt: PromptTokens) -> InputTally:
    """The input of a dialect whose cached tokens are a part of it.

    A claimed input grows to hold the parts that are claimed of it.
    """
    if controls.input is None:
        image = controls.image_input or prompt.image
        audio = controls.audio_input or prompt.audio
        total = prompt.text + image + audio
    else:
        image, audio = controls.image_input, controls.audio_input
        total = max(controls.input, image + audio)
    total = max(total, controls.cached + controls.cache_write)
    return InputTally(
        total=total,
        text=total - image - audio,
        image=image,
        audio=audio,
        cached=controls.cached,
        cache_write=controls.cache_write,
    )
