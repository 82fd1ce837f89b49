"""A twin of a vendor that speaks more than one wire shape, each below a path of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin


class SurfacesTwin:
    """Asks the twin whose mount a path begins with; the first one for all other paths.

    ``mounts`` gives what a path begins with, and how it begins at that twin instead.
    """

    def __init__(self, first: Twin, mounts: Mapping[str, tuple[str, Twin]]) -> None:
        self._first = first
        self._mounts = dict(mounts)
        self._asked = first

    def credential(self, request: Request) -> str | None:
        """The credential, where that shape has it."""
        twin, inner = self._at(request)
        self._asked = twin
        return twin.credential(inner)

    def missing_credential(self) -> Refusal:
        """What is said to the request whose credential was just looked for."""
        return self._asked.missing_credential()

    def wrong_credential(self) -> Refusal:
        """What is said to the request whose credential was just looked for."""
        return self._asked.wrong_credential()

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal in that shape."""
        twin, inner = self._at(request)
        return twin.refuse(inner, refusal)

    def respond(self, request: Request) -> Answer:
        """The answer in that shape."""
        twin, inner = self._at(request)
        return twin.respond(inner)

    def _at(self, request: Request) -> tuple[Twin, Request]:
        for mount, (instead, twin) in self._mounts.items():
            if request.path.startswith(mount):
                return twin, replace(request, path=instead + request.path.removeprefix(mount))
        return self._first, request
