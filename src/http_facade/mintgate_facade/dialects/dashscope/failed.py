"""DashScope's way to fail within status 200: a `code` in the body, or in an event.

Nothing was made then and nothing is billed. Each code is read as the status that it has
where it comes with one (help.aliyun.com, "Error codes").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STATUS: Mapping[str, int] = {
    "InvalidApiKey": 401,
    "Arrearage": 402,
    "AccessDenied": 403,
    "ModelNotFound": 404,
    "Model": 404,
    "Throttling": 429,
    "LimitRequests": 429,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "GatewayTimeout": 504,
}
"""By the part of the code before its first dot."""
_OTHERWISE = 400


def failed_status(document: Mapping[str, Any]) -> int:
    """The status that an answer stands for which is a failure; 0 for one that is none."""
    code = document.get("code")
    if not code or code in {200, "200", "Success"}:
        return 0
    return _STATUS.get(str(code).partition(".")[0], _OTHERWISE)
