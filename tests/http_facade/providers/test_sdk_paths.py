"""The tables are closed over the SDKs: every path that an installed SDK can call has a row."""

from __future__ import annotations

import pytest
from mintgate_facade.dialects.base import Policy
from mintgate_facade.providers.registry import PROVIDERS, REGISTRY

from tests.http_facade.providers.sdk_lists import FOUND_MIN, LISTS, Call

UNCLASSIFIED = {Policy.UNKNOWN, Policy.WRONG_METHOD}
SLUGS = [provider.slug for provider in PROVIDERS]


def is_classified(slug: str, call: Call) -> bool:
    """Whether one of the call's methods ends at a row of the provider: served, or with a reason."""
    for method in call.methods:
        found = REGISTRY.resolve(method, f"/{slug}{call.path}", {}, {})
        assert found is not None
        assert found.provider.slug == slug
        route = found.match.route
        if route.policy not in UNCLASSIFIED:
            return bool(route.operation or route.reason)
    return False


def test_every_provider_names_its_list() -> None:
    """A provider that is added has a list in sdk_lists.py, from its SDK or its documentation."""
    assert sorted(LISTS) == sorted(SLUGS)


@pytest.mark.parametrize(("slug", "least"), FOUND_MIN.items())
def test_the_paths_were_found(slug: str, least: int) -> None:
    """The extraction still fits the SDKs; an empty list would prove nothing."""
    assert len(LISTS[slug]) > least


@pytest.mark.parametrize("slug", SLUGS)
def test_every_call_has_a_row(slug: str) -> None:
    """Served or denied with a reason, but never by accident."""
    assert [call for call in LISTS[slug] if not is_classified(slug, call)] == []


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_not_in_the_table_reaches_no_provider(slug: str) -> None:
    """A path that no row has is a 404 of the gateway's own, under every method."""
    for method in ("DELETE", "GET", "PATCH", "POST", "PUT"):
        for path in ("/nowhere", "/v1/nowhere", "/v9/chat/completions/x", "/admin/keys"):
            found = REGISTRY.resolve(method, f"/{slug}{path}", {}, {})
            assert found is not None
            assert found.match.route.policy in UNCLASSIFIED | {Policy.DENIED}, (method, path)
