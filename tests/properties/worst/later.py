"""Requests whose answer is none yet: videos."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from mintgate_core.pricing import Unit

from tests.properties.worst.case import Case, Target, cards, json_case


@st.composite
def videos(draw: st.DrawFn, target: Target) -> Case:
    """Any videos of Veo, of which any number pass the filters."""
    card = draw(cards(target, Unit.OUTPUT_VIDEO_MS))
    asked = {
        "sampleCount": st.integers(1, 4),
        "durationSeconds": st.sampled_from((1, 4, "8", 60)),
        "resolution": st.sampled_from(("720p", "1080p", "4k")),
    }
    parameters: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=asked))
    document = {"instances": [{"prompt": "A hen"}], "parameters": parameters}
    controls: dict[str, int | str] = draw(
        st.fixed_dictionaries({}, optional={"output": st.integers(0, 4)})
    )
    return json_case(card, document, controls)
