"""docs/providers.md has a row for all that is metered."""

from __future__ import annotations

import pytest
from mintgate_facade.dialects.base import Policy
from mintgate_facade.providers.base import Provider
from mintgate_facade.providers.registry import PROVIDERS


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.slug)
def test_each_metered_operation_has_its_terms(provider: Provider) -> None:
    """What bounds and what meters an operation is said beside its dialect, and in words."""
    missing = {
        f"{surface.name}: {route.operation}"
        for surface in provider.surfaces
        for route in surface.routes
        if route.policy is Policy.METERED
        and not all(surface.dialect.terms.get(route.operation, ("", "")))
    }
    assert missing == set()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.slug)
def test_each_denied_row_says_why(provider: Provider) -> None:
    """A caller who is refused is told a reason."""
    assert [r.path for r in provider.routes if r.policy is Policy.DENIED and not r.reason] == []
