"""Why rows are denied, where the same holds at several providers."""

from __future__ import annotations

STORED = (
    "Objects stored at the provider are not served: all users of this gateway share one account "
    "there. Send the content in the request itself."
)
DEFERRED = "Its cost is only known later, and this gateway does not follow work of this kind."
BYPASS = "It would hand out a credential that works at the provider without this gateway."
ADMIN = "It administers the operator's account."
