"""What is said of a metered operation in docs/providers.md, beside the code that does it."""

from __future__ import annotations

from typing import NamedTuple


class Terms(NamedTuple):
    """How one operation is held for, and how it is charged, each as half a sentence."""

    bounded_by: str
    metered_by: str
