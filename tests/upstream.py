"""The other end: what the simulated providers received, and what exactly they sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.harness import Installation, eventually
from tests.wire import send

RECORD_WAIT_S = 10.0


class Upstream:
    """Requests that the providers of one gateway received after this object was made."""

    def __init__(self, gateway: Installation) -> None:
        self._url = gateway.simulator_url
        self._since = int(self._stats()["requests"])

    def requests(self) -> list[dict[str, Any]]:
        """The records, oldest first, without what the gateway itself asks about voices."""
        return [record for record in self._records() if not _is_the_gateways(record)]

    @property
    def count(self) -> int:
        """How many requests there were."""
        all_of_them = self._records()
        asked = sum(map(_is_the_gateways, all_of_them))
        # Not the length of the list, which has the newest ones alone.
        return int(self._stats()["requests"]) - self._since - asked

    def only(self) -> dict[str, Any]:
        """The one request that there was."""
        (record,) = self.requests()
        return record

    def answer(self) -> bytes:
        """The body bytes that the provider sent for that one request."""
        answer = send(self._url, "GET", f"/_sim/answers/{self.only()['n']}")
        assert answer.status == 200
        return answer.body

    def once(self, condition: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """Wait until the one record fulfils a condition."""

        def look() -> dict[str, Any] | None:
            records = self.requests()
            return records[0] if records and condition(records[0]) else None

        found: dict[str, Any] = eventually(look, RECORD_WAIT_S, what)
        return found

    def leaks(self) -> int:
        """Requests that carried a minted key, since the simulator started."""
        return int(self._stats()["minted_key_leaks"])

    def _records(self) -> list[dict[str, Any]]:
        answer = send(self._url, "GET", f"/_sim/requests?since={self._since}")
        assert answer.status == 200
        records: list[dict[str, Any]] = answer.json()
        return records

    def _stats(self) -> dict[str, Any]:
        answer = send(self._url, "GET", "/_sim/stats")
        assert answer.status == 200
        stats: dict[str, Any] = answer.json()
        return stats


def _is_the_gateways(record: dict[str, Any]) -> bool:
    """A worker asks once about a voice, at the first request that names it, whichever that is."""
    described = re.fullmatch(r"/elevenlabs/v1/voices/[^/]+", record["path"])
    return described is not None and record["method"] == "GET"


def simulate(**controls: int | str | bool) -> dict[str, str]:
    """The header that forces what the simulated provider answers; True is a bare flag."""
    parts = [
        name.removesuffix("_") if value is True else f"{name.removesuffix('_')}={value}"
        for name, value in controls.items()
    ]
    return {"x-simulate": "; ".join(parts)}
