"""MiniMax's way to fail: status 200, and a code in `base_resp` (platform.minimax.io, error codes).

Nothing was made then and nothing is billed. Each code is read as the status that
other vendors would have answered with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mintgate_facade.dialects.split import fields

_STATUS: Mapping[int, int] = {
    1002: 429,  # requests a minute
    1004: 401,  # the operator's key
    1008: 402,  # the operator's balance
    1039: 429,  # tokens a minute
    1041: 429,  # connections
    2045: 429,  # requests a minute, rising too fast
    2049: 401,  # the operator's key
    2056: 402,  # the operator's plan is used up
}
_OTHERWISE = 400
_FAILED_THERE = range(1000, 1002)
"""Unknown error, timeout: the provider's own trouble."""


def refused_status(document: Mapping[str, Any]) -> int:
    """The status that a failed answer stands for; 0 for one that did not fail."""
    code = fields(document.get("base_resp")).get("status_code")
    if not isinstance(code, int) or code == 0:
        return 0
    return 500 if code in _FAILED_THERE else _STATUS.get(code, _OTHERWISE)
