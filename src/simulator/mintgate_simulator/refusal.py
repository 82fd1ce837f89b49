"""The one way a twin says no: an error every twin can put into its provider's own words."""

from __future__ import annotations


class Refusal(Exception):
    """An answer with an error status; the twin of the provider gives it its wire shape.

    ``param`` names the offending field, ``code`` the provider's machine-readable reason and
    ``retry_after_s`` the value of the ``retry-after`` header, each only where it applies.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
