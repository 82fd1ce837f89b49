"""Every path that the SDKs of each provider can call, read from the installed SDKs themselves.

A provider without an SDK of its own has the list that its documentation gives, and those of the
SDKs that it is used with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import anthropic
import cerebras.cloud.sdk
import dashscope
import deepgram
import elevenlabs
import mistralai.client
import openai
from google import genai

ANY = ("GET", "POST", "DELETE")
"""Of a path whose method its list does not tell: one of them must have a row."""

_LITERAL = re.compile(r"[\"']((?:/[A-Za-z0-9_:{}.\-]+)+)(?:\?[^\"']*)?[\"']")
_GOOGLE = re.compile(r"path = f?'([A-Za-z{][^'?]*)")
_MISTRAL = re.compile(r'path="(/[^"#]*)')
_FERN = re.compile(
    r"httpx_client\.(?:request|stream)\(\s*f?\"([^\"]*)\".*?method=\"([A-Z]+)\"", re.DOTALL
)
_SERVICE = re.compile(r"[\"']((?:aigc|audio|embeddings|nlp|rerank)/[\w\-]+/[\w\-]+)[\"']")
_SUB_PATH = re.compile(r"SUB_PATH = [\"']([a-z\-/]+)[\"']")
_TASK = re.compile(r"\n    (?:sync_|async_)?task = [\"']([a-z0-9\-]+)[\"']")
_PLACEHOLDER = re.compile(r"\{[^}]*\}")
_VERTEX_ONLY = ("xtuningJobs", "x/tuningJobs", "x:fetchPredictOperation")


class Call(NamedTuple):
    """What an SDK sends: a path, and the methods that it may have."""

    path: str
    methods: tuple[str, ...] = ANY


def _folder(package: object) -> Path:
    return Path(str(getattr(package, "__file__", ""))).parent


def _read(files: Iterable[Path]) -> str:
    return "\n".join(path.read_text() for path in sorted(files))


def _calls(source: str, pattern: re.Pattern[str], start: str = "") -> tuple[Call, ...]:
    found = {_PLACEHOLDER.sub("x", path) for path in pattern.findall(source)}
    return tuple(Call(p) for p in sorted(found) if "//" not in p and p.startswith(start))


def _fern_calls(package: object) -> tuple[Call, ...]:
    """Every method and path of an SDK that Fern has generated."""
    found = _FERN.findall(_read(_folder(package).rglob("raw_client.py")))
    return tuple(
        Call(f"/{_PLACEHOLDER.sub('x', path)}", (method,)) for path, method in sorted(set(found))
    )


def _google_calls() -> tuple[Call, ...]:
    """Google's SDK writes names of resources for whole paths, and most of them below a version."""
    names = ("models", "files", "caches", "tunings", "batches", "operations", "tokens")
    source = _read(_folder(genai) / f"{name}.py" for name in names)
    found = {_PLACEHOLDER.sub("x", path) for path in _GOOGLE.findall(source)}
    paths = sorted(path for path in found if not path.startswith(_VERTEX_ONLY))
    models = (f"models/{p}" if re.fullmatch(r"x(:[a-zA-Z]+)?", p) else p for p in paths)
    return tuple(Call(f"/{p}" if p.startswith("upload") else f"/v1beta/{p}") for p in models)


def _dashscope_calls() -> tuple[Call, ...]:
    """Both generations of its SDK, below /api/v1; the first puts paths together from names."""
    root = _folder(dashscope)
    second = _read((root / "v2" / "resources").rglob("*.py"))
    parts = ("aigc", "audio", "assistants", "embeddings", "finetune")
    first = "\n".join(_read((root / part).rglob("*.py")) for part in parts)
    paths = {
        *(call.path for call in _calls(second, _LITERAL)),
        *(f"/services/{service}" for service in _SERVICE.findall(second)),
        *(f"/services/aigc/{task}/generation" for task in _TASK.findall(first)),
        *(f"/{path}/x" for path in _SUB_PATH.findall(first)),
    }
    return tuple(Call(f"/api/v1{path}") for path in sorted(paths))


def _below(root: str, calls: Iterable[Call]) -> tuple[Call, ...]:
    """The same calls where a provider has them below a path of its own."""
    return tuple(Call(root + call.path, call.methods) for call in calls)


def _said(method: str, *paths: str) -> tuple[Call, ...]:
    return tuple(Call(path, (method,)) for path in paths)


OPENAI = _calls(_read((_folder(openai) / "resources").rglob("*.py")), _LITERAL)
ANTHROPIC = _calls(_read((_folder(anthropic) / "resources").rglob("*.py")), _LITERAL, "/v1/")
MESSAGES = tuple(
    Call(f"/anthropic{path}", ("POST",)) for path in ("/v1/messages", "/v1/messages/count_tokens")
)

LISTS: Mapping[str, tuple[Call, ...]] = {
    "openai": OPENAI,
    "anthropic": ANTHROPIC,
    "gemini": _google_calls(),
    "elevenlabs": _fern_calls(elevenlabs),
    "deepgram": _fern_calls(deepgram),
    "mistral": OPENAI + _calls(_read(_folder(mistralai.client).rglob("*.py")), _MISTRAL),
    "cerebras": OPENAI + _calls(_read(_folder(cerebras.cloud.sdk).rglob("*.py")), _LITERAL, "/v1/"),
    "dashscope": (
        *_dashscope_calls(),
        *_below("/compatible-mode/v1", OPENAI),
        *_below("/apps/anthropic", (c for c in ANTHROPIC if c.path.startswith("/v1/messages"))),
    ),
    # docs.x.ai, the REST API; xai-sdk speaks gRPC.
    "xai": (
        *OPENAI,
        *_said("POST", "/v1/messages", "/v1/messages/count_tokens", "/v1/complete", "/v1/tts"),
        *_said("POST", "/v1/stt", "/v1/tokenize-text", "/v1/images/edits", "/v1/custom-voices"),
        *_said("POST", "/v1/videos/generations", "/v1/videos/edits", "/v1/videos/extensions"),
        *_said("POST", "/v1/realtime/client_secrets", "/v1/documents/search", "/v1/collections"),
        *_said("GET", "/v1/chat/deferred-completion/x", "/v1/videos/x", "/v1/api-key"),
        *_said("GET", "/v1/language-models", "/v1/language-models/x", "/v1/tts/voices"),
        *_said("GET", "/v1/image-generation-models", "/v1/image-generation-models/x"),
        *_said("GET", "/v1/video-generation-models", "/v1/embedding-models"),
    ),
    # platform.moonshot.ai
    "moonshot": (
        *OPENAI,
        *MESSAGES,
        *_said("POST", "/v1/tokenizers/estimate-token-count", "/v1/caching"),
        *_said("GET", "/v1/users/me/balance", "/v1/formulas/x/tools"),
    ),
    # platform.minimax.io
    "minimax": (
        *OPENAI,
        *MESSAGES,
        *_said("POST", "/v1/text/chatcompletion_v2", "/v1/t2a_v2", "/v1/t2a_async_v2"),
        *_said("POST", "/v1/image_generation", "/v1/video_generation", "/v1/music_generation"),
        *_said("POST", "/v1/lyrics_generation", "/v1/video_template_generation"),
        *_said("POST", "/v1/voice_clone", "/v1/voice_design", "/v1/get_voice", "/v1/delete_voice"),
        *_said("GET", "/v1/query/video_generation", "/v1/query/t2a_async_query_v2"),
        *_said("POST", "/v1/files/upload"),
        *_said("GET", "/v1/files/list", "/v1/files/retrieve", "/v1/files/retrieve_content"),
    ),
    # api-docs.deepseek.com
    "deepseek": (
        *OPENAI,
        *MESSAGES,
        *_said("POST", "/beta/completions", "/beta/chat/completions"),
        *_said("GET", "/user/balance", "/models"),
    ),
}
"""By the provider's slug."""
FOUND_MIN = {
    "openai": 200,
    "anthropic": 90,
    "gemini": 15,
    "elevenlabs": 400,
    "deepgram": 45,
    "mistral": 400,
    "cerebras": 200,
    "dashscope": 230,
}
"""What the SDKs gave when the lists were last looked at, about: the patterns fit them still."""
