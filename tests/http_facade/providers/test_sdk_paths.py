"""The tables are closed over the SDKs: every path that an installed SDK can call has a row."""

from __future__ import annotations

import re
from pathlib import Path

import anthropic
import cerebras.cloud.sdk
import deepgram
import elevenlabs
import mistralai.client
import openai
import pytest
from google import genai
from mintgate_facade.dialects.base import Policy
from mintgate_facade.providers.registry import REGISTRY

_LITERAL = re.compile(r"[\"']((?:/[A-Za-z0-9_:{}.\-]+)+)(?:\?[^\"']*)?[\"']")
_GOOGLE = re.compile(r"path = f?'([A-Za-z{][^'?]*)")


def _sources(package: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(package.rglob("*.py")))


def _paths(source: str, pattern: re.Pattern[str]) -> list[str]:
    found = {re.sub(r"\{[^}]*\}", "x", path) for path in pattern.findall(source)}
    return sorted(path for path in found if "//" not in path)


OPENAI_PATHS = _paths(_sources(Path(openai.__file__).parent / "resources"), _LITERAL)
ANTHROPIC_PATHS = _paths(_sources(Path(anthropic.__file__).parent / "resources"), _LITERAL)
GOOGLE_PATHS = _paths(
    "\n".join(
        (Path(genai.__file__).parent / f"{name}.py").read_text()
        for name in ("models", "files", "caches", "tunings", "batches", "operations", "tokens")
    ),
    _GOOGLE,
)
MISTRAL_PATHS = _paths(
    _sources(Path(mistralai.client.__file__).parent), re.compile(r'path="(/[^"#]*)')
)
CEREBRAS_PATHS = _paths(_sources(Path(cerebras.cloud.sdk.__file__).parent), _LITERAL)
_FERN = re.compile(
    r"httpx_client\.(?:request|stream)\(\s*f?\"([^\"]*)\".*?method=\"([A-Z]+)\"", re.DOTALL
)


def _fern_calls(package: Path) -> list[tuple[str, str]]:
    """Every method and path of an SDK that Fern has generated."""
    sources = "\n".join(path.read_text() for path in sorted(package.rglob("raw_client.py")))
    found = {(method, re.sub(r"\{[^}]*\}", "x", path)) for path, method in _FERN.findall(sources)}
    return sorted((method, f"/{path}") for method, path in found)


DEEPGRAM_CALLS = _fern_calls(Path(deepgram.__file__).parent)
ELEVENLABS_CALLS = _fern_calls(Path(elevenlabs.__file__).parent)
COMPATIBLE = ("xai", "moonshot", "minimax", "deepseek", "mistral", "cerebras")
"""Vendors that are used with OpenAI's SDK; all of its paths have a row at each of them."""


def _is_covered(slug: str, path: str) -> bool:
    provider = REGISTRY.provider(slug)
    return any(provider.match(method, path) for method in ("GET", "POST", "DELETE"))


def test_the_paths_were_found() -> None:
    """The extraction below still fits the SDKs; an empty list would prove nothing."""
    assert len(OPENAI_PATHS) > 200
    assert len([path for path in ANTHROPIC_PATHS if path.startswith("/v1/")]) > 90
    assert len(GOOGLE_PATHS) > 15
    assert len(ELEVENLABS_CALLS) > 400
    assert len(DEEPGRAM_CALLS) > 45
    assert len(MISTRAL_PATHS) > 200
    assert {"/v1/chat/completions", "/v1/tcp_warming"} <= set(CEREBRAS_PATHS)


@pytest.mark.parametrize("path", OPENAI_PATHS)
def test_openai(path: str) -> None:
    """Served or denied with a reason, but never by accident."""
    assert _is_covered("openai", path)


@pytest.mark.parametrize("path", [path for path in ANTHROPIC_PATHS if path.startswith("/v1/")])
def test_anthropic(path: str) -> None:
    """The same for Anthropic."""
    assert _is_covered("anthropic", path)


@pytest.mark.parametrize("slug", COMPATIBLE)
def test_openai_elsewhere(slug: str) -> None:
    """OpenAI's SDK, pointed at another vendor, finds no path without a row."""
    assert [path for path in OPENAI_PATHS if not _is_covered(slug, path)] == []


@pytest.mark.parametrize("path", MISTRAL_PATHS)
def test_mistral(path: str) -> None:
    """The same for Mistral's own SDK."""
    assert _is_covered("mistral", path)


@pytest.mark.parametrize("path", [path for path in CEREBRAS_PATHS if path.startswith("/v1/")])
def test_cerebras(path: str) -> None:
    """The same for Cerebras' own SDK."""
    assert _is_covered("cerebras", path)


@pytest.mark.parametrize(
    ("slug", "method", "path"),
    [("elevenlabs", *call) for call in ELEVENLABS_CALLS]
    + [("deepgram", *call) for call in DEEPGRAM_CALLS],
)
def test_by_method(slug: str, method: str, path: str) -> None:
    """The same for ElevenLabs and Deepgram: nothing is covered by a row of another method."""
    found = REGISTRY.provider(slug).match(method, path)
    assert found is not None
    assert found.route.reason or found.route.policy is not Policy.DENIED


_VERTEX_ONLY = ("xtuningJobs", "x/tuningJobs", "x:fetchPredictOperation")


@pytest.mark.parametrize(
    "path", [path for path in GOOGLE_PATHS if not path.startswith(_VERTEX_ONLY)]
)
def test_google(path: str) -> None:
    """The same for Google, whose SDK writes names of resources for whole paths."""
    if re.fullmatch(r"x(:[a-zA-Z]+)?", path):
        path = f"models/{path}"
    assert _is_covered("gemini", path if path.startswith("upload") else f"/v1beta/{path}") or (
        _is_covered("gemini", f"/{path}")
    )
