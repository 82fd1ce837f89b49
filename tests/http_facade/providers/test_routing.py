"""The route table: spellings, models in paths, denied subtrees, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mintgate_facade.dialects.base import Policy, Route
from mintgate_facade.providers.anthropic import ANTHROPIC
from mintgate_facade.providers.base import Provider
from mintgate_facade.providers.gemini import GEMINI
from mintgate_facade.providers.openai import OPENAI
from mintgate_facade.providers.registry import PROVIDERS
from mintgate_facade.providers.routing import METHODS, RouteTable


@pytest.mark.parametrize(
    ("provider", "path", "upstream"),
    [
        (OPENAI, "/v1/chat/completions", "/chat/completions"),
        (OPENAI, "/chat/completions", "/chat/completions"),
        (OPENAI, "/v1/v1/chat/completions", "/chat/completions"),
        (OPENAI, "//v1///chat/completions", "/chat/completions"),
        (ANTHROPIC, "/v1/messages", "/v1/messages"),
        (ANTHROPIC, "/messages", "/v1/messages"),
        (ANTHROPIC, "/v1/v1/messages", "/v1/messages"),
        (
            GEMINI,
            "/v1beta/models/m:generateContent",
            "/v1beta/models/m:generateContent",
        ),
        (GEMINI, "/models/m:generateContent", "/v1beta/models/m:generateContent"),
        (GEMINI, "/v1alpha/models/m:generateContent", "/v1alpha/models/m:generateContent"),
        (GEMINI, "/v1/models/m:generateContent", "/v1/models/m:generateContent"),
        (GEMINI, "//v1beta/models/m:embedContent", "/v1beta/models/m:embedContent"),
    ],
)
def test_every_spelling_of_a_path_is_the_same_route(
    provider: Provider, path: str, upstream: str
) -> None:
    """Base URLs with and without the version all lead to the provider's one path."""
    found = provider.match("POST", path)

    assert found is not None
    assert found.route.policy is Policy.METERED
    assert found.upstream_path == upstream


@pytest.mark.parametrize(
    ("path", "model", "upstream"),
    [
        ("/v1beta/models/gemini-2.5-flash", "gemini-2.5-flash", "gemini-2.5-flash"),
        ("/v1beta/models/a/b:c", "a/b:c", "a/b:c"),
        ("/v1beta/models/é", "é", "%C3%A9"),
        ("/v1beta/models/a?b#c%2e", "a?b#c%2e", "a%3Fb%23c%252e"),
    ],
)
def test_a_model_in_a_path_is_encoded_again(path: str, model: str, upstream: str) -> None:
    """The path came decoded; what goes upstream must not gain a query or a segment."""
    found = GEMINI.match("GET", path)

    assert found is not None
    assert found.path_model == model
    assert found.upstream_path == f"/v1beta/models/{upstream}"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/nope",
        "/v1/nope",
        "/v1/chat",
        "/v1/chat/completions/../../organization",
        "/v1/models/../files",
        "/v1/models/./x",
        "/v1/models/",
        "/v1/models/a b",
        "/v1/models/a\\b",
        "/v1/models/a\n",
        "/v1/v1/v1/chat/completions",
        "chat/completions",
        "/v1/models/" + "a" * 2000,
    ],
)
def test_what_is_not_in_the_table_does_not_match(path: str) -> None:
    """Dot segments, control characters and unknown words are no route of any method."""
    assert [OPENAI.match(method, path) for method in METHODS] == [None] * len(METHODS)


@pytest.mark.parametrize(
    ("provider", "method", "path"),
    [
        (OPENAI, "GET", "/v1/conversations/conv_1/x"),
        (OPENAI, "GET", "/v1/videos/video_1/content"),
        (OPENAI, "POST", "/v1/files/file-1/content"),
        (OPENAI, "DELETE", "/v1/models/ft:x"),
        (OPENAI, "POST", "/v1/realtime/client_secrets"),
        (OPENAI, "POST", "/v1/images/variations"),
        (OPENAI, "GET", "/v1/organization/usage/completions"),
        (ANTHROPIC, "POST", "/v1/sessions"),
        (ANTHROPIC, "POST", "/v1/complete"),
        (GEMINI, "POST", "/v1beta/models/m:predict"),
        (GEMINI, "POST", "/v1beta/interactions"),
        (GEMINI, "PATCH", "/v1beta/cachedContents/c"),
        (GEMINI, "POST", "/upload/v1beta/fileSearchStores/s:uploadToFileSearchStore"),
        (GEMINI, "POST", "/v1beta/files:register"),
        (GEMINI, "POST", "/v1alpha/auth_tokens"),
        (GEMINI, "POST", "/v1beta/openai/chat/completions"),
    ],
)
def test_denied_routes_say_why(provider: Provider, method: str, path: str) -> None:
    """Whatever else a provider offers has a row, and a reason for the client."""
    found = provider.match(method, path)

    assert found is not None
    assert found.route.policy is Policy.DENIED
    assert len(found.route.reason) > 20


def test_a_known_path_by_another_method_is_not_denied_for_that() -> None:
    """It has no row, so that a 405 can name the methods that it has."""
    assert OPENAI.match("PUT", "/v1/embeddings") is None
    assert OPENAI.methods("/v1/embeddings") == ("POST",)
    assert OPENAI.methods("/v1/models/x") == ("GET",)
    assert OPENAI.methods("/v1/files") == ("GET", "POST")
    assert OPENAI.methods("/v1/videos") == ()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.slug)
def test_every_row_is_reachable(provider: Provider) -> None:
    """No row is hidden by another, of its surface or of one before: each matches its own path."""
    for surface in provider.surfaces:
        for route in surface.routes:
            path = surface.mount + re.sub(r"\{\w+\}", "m", route.path)
            # Deeper than any row of one kind reaches, for those that cover all below.
            path = path.replace("/*", "/x/y/z")
            # A row for all methods is the rest beside a row for one.
            method = "PATCH" if route.method == "*" else route.method
            found = provider.match(method, path)
            assert found is not None, route
            assert found.route == route


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_path_is_answered(path: str) -> None:
    """No path raises, and none is metered but those of the table."""
    found = OPENAI.match("POST", path)

    assert found is None or found.route in OPENAI.routes


def test_credentials_stand_where_the_provider_reads_them() -> None:
    """Each provider's header and format."""
    assert OPENAI.surfaces[0].credential("k") == ("authorization", "Bearer k")
    assert ANTHROPIC.surfaces[0].credential("k") == ("x-api-key", "k")
    assert GEMINI.surfaces[0].credential("k") == ("x-goog-api-key", "k")


def test_a_longer_tail_wins() -> None:
    """`:generateContent` is not taken for a part of a model's name."""
    rows = (
        Route("POST", "/models/{model}", Policy.FREE, "plain"),
        Route("POST", "/models/{model}:run", Policy.METERED, "run"),
    )
    table = RouteTable(rows, ("v1",), keeps_version=False)

    run, plain = table.match("POST", "/v1/models/a:run"), table.match("POST", "/models/a:walk")
    assert run is not None
    assert plain is not None
    assert (run.route.operation, run.path_model) == ("run", "a")
    assert (plain.route.operation, plain.path_model) == ("plain", "a:walk")
