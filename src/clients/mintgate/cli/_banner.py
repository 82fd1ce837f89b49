"""What `mintgate up` says when everything serves."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mintgate.channel import TARGET_DEFAULT

if TYPE_CHECKING:
    from mintgate.config import Settings

_CHATS: Final = (
    (
        "openai",
        "/openai/v1/chat/completions",
        "authorization: Bearer $KEY",
        '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}',
    ),
    (
        "anthropic",
        "/anthropic/v1/messages",
        "x-api-key: $KEY",
        (
            '{"model":"claude-haiku-4-5","max_tokens":64,'
            '"messages":[{"role":"user","content":"Hello"}]}'
        ),
    ),
    (
        "gemini",
        "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
        "x-goog-api-key: $KEY",
        '{"contents":[{"parts":[{"text":"Hello"}]}]}',
    ),
)
"""A first request for each provider: path, credential header, body."""


def banner(settings: Settings, master_key: str | None) -> str:
    """Return the text: what runs, where, with which keys, and what to try first.

    `master_key` is the first one, only at the start that made it. It is the one
    place where it is ever shown.
    """
    lines = ["", f"Mintgate is running. {_providers(settings)}", ""]
    lines += [
        f"  gateway  {settings.public_url}",
        f"  core     {settings.core_target} (gRPC)",
        f"  data     {settings.data_dir.absolute()}",
    ]
    if master_key is not None:
        lines += ["", f"  master key, shown this once: {master_key}"]
    lines += ["", "Try:", *(f"  {line}" for line in _try_lines(settings, master_key)), ""]
    return "\n".join(lines)


def _providers(settings: Settings) -> str:
    if settings.simulated:
        return "Providers are SIMULATED: no real model is called and nothing is paid."
    names = ", ".join(each.name for each in settings.providers.values() if each.configured)
    return f"Providers: {names}."


def _try_lines(settings: Settings, master_key: str | None) -> list[str]:
    """Return three commands: mint, chat, usage."""
    master = master_key or "$MASTER_KEY"
    secret = "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"secret\"])'"  # noqa: S105
    mint = (
        f'KEY=$(curl -s {settings.public_url}/v1/keys -H "authorization: Bearer {master}" '
        f"-H 'content-type: application/json' "
        f'-d \'{{"name":"ada","max_spend_usd":5}}\' | {secret})'
    )
    lines = [mint]
    for provider, path, header, body in _CHATS:
        if settings.simulated or settings.providers[provider].configured:
            lines.append(
                f'curl -s {settings.public_url}{path} -H "{header}" '
                f"-H 'content-type: application/json' -d '{body}'"
            )
            break
    return [*lines, _usage_line(settings)]


def _usage_line(settings: Settings) -> str:
    """Return the command that shows usage from another terminal in this directory."""
    data_dir = settings.data_dir
    elsewhere = settings.sources["data_dir"] == "environment"
    found = f"MINTGATE_DATA_DIR={shlex.quote(str(data_dir))} " if elsewhere else ""
    target = "" if settings.core_target == TARGET_DEFAULT else f" --target {settings.core_target}"
    return f"{found}{_command()} usage{target}"


def _command() -> str:
    """Return how this very command line is called from this directory."""
    if shutil.which("mintgate"):
        return "mintgate"
    script = Path(sys.executable).with_name("mintgate")
    if script.is_relative_to(Path.cwd()):
        script = script.relative_to(Path.cwd())
    return shlex.quote(str(script))
