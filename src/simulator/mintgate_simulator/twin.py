"""What the app asks of every provider's twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .answer import Answer, Whole
    from .refusal import Refusal
    from .request import Request


class Twin(Protocol):
    """One provider. Every method may be called for any request under the provider's prefix."""

    def credential(self, request: Request) -> str | None:
        """The credential, from whichever place this provider accepts one in."""
        ...

    def missing_credential(self) -> Refusal:
        """What the provider says to a request without a credential."""
        ...

    def wrong_credential(self) -> Refusal:
        """What the provider says to a credential it does not know."""
        ...

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal in the provider's wire shape."""
        ...

    def respond(self, request: Request) -> Answer:
        """The answer to an authenticated request. Raises ``Refusal`` for a bad one."""
        ...


@dataclass(slots=True)
class Around:
    """A twin that answers some requests itself and leaves all else to another one."""

    twin: Twin

    def credential(self, request: Request) -> str | None:
        """The other's."""
        return self.twin.credential(request)

    def missing_credential(self) -> Refusal:
        """The other's."""
        return self.twin.missing_credential()

    def wrong_credential(self) -> Refusal:
        """The other's."""
        return self.twin.wrong_credential()

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The other's."""
        return self.twin.refuse(request, refusal)
