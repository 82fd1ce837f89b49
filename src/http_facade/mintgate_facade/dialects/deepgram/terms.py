"""How Deepgram's operations are bounded and metered, in words; see `Terms`."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.terms import Terms

_SPOKEN = Terms("the characters of the text", "`dg-char-count`, else the characters of the text")

TERMS: Mapping[str, Terms] = {
    "listen": Terms(
        "the decoded length of the recording, or that of raw samples by the stated rate, and a "
        "second more, times its channels up to 20 where they are written apart, with what the "
        "query adds; 25 tokens a second and 1,024 more for each feature",
        "`metadata.duration`, else the decoded length, with the same additions; the tokens of "
        "each `*_info`",
    ),
    "speak": _SPOKEN,
    "speak_v2": _SPOKEN,
    "read": Terms(
        "the bytes of the text and 1,024 tokens more for each feature, in and out",
        "the tokens of each `*_info`, else those of the text",
    ),
}
