"""The HTTP client of the relay: a pool of kept connections to the providers, and no more.

The general client that stood here took half of a facade's processor time a request; see
docs/performance.md. What a gateway needs of HTTP is little: no cookies, no redirects, no
decoding, no retry of what may have been done.
"""

from mintgate_facade.upstream.answer import BROKEN, Answer
from mintgate_facade.upstream.pool import LostAnswerError, Upstream

__all__ = ["BROKEN", "Answer", "LostAnswerError", "Upstream"]
