"""Which tools a request may bring, and what the hosted ones add to its bound.

The list is closed. Tools that the client runs cost nothing beyond tokens. A
hosted tool makes the provider run the model again over a longer input; it is
allowed only where the request itself limits how often.
"""

from __future__ import annotations

from dataclasses import dataclass

from mintgate_facade.dialects.checks import (
    Fields,
    inside,
    integer,
    mapping,
    objects,
    refused,
    text,
)

PASSES_MAX = 64
"""Most passes that the ledger accepts in one bound."""

_CLIENT = frozenset(
    {
        "apply_patch",
        "computer",
        "computer-preview",
        "computer_use_preview",
        "custom",
        "function",
        "local_shell",
    }
)
_SEARCH = frozenset(
    {
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    }
)
_REFUSED = {
    "code_interpreter": "runs in a container that is billed by time",
    "file_search": "reads stores that all users of this gateway would share",
    "image_generation": "draws with another model, whose tokens have no limit here",
    "mcp": "calls other servers without a limit on what they return",
    "programmatic_tool_calling": "runs a hosted program without a limit on its calls",
}


@dataclass(slots=True)
class HostedTools:
    """What the tools of a request add to its bound."""

    present: bool = False
    searches: bool = False
    previews: bool = False
    """The search is the earlier version, whose fee some models have apart."""
    search_param: str = ""

    def read(self, fields: Fields, where: str = "") -> None:
        """Read the `tools` of a request or of an item in it."""
        for index, tool in enumerate(objects(fields, "tools", where=where)):
            self.present = True
            self._read_tool(tool, f"{inside(where, 'tools')}[{index}]")

    def _read_tool(self, tool: Fields, where: str) -> None:
        kind = text(tool, "type", where=where) or ""
        if kind in _CLIENT:
            return
        if kind in _SEARCH:
            self.searches = True
            self.previews = self.previews or kind.startswith("web_search_preview")
            self.search_param = where
            return
        if kind == "namespace":
            self.read(tool, where)
            return
        if kind == "shell" and _runs_locally(tool, where):
            return
        if kind == "tool_search" and tool.get("execution") == "client":
            return
        why = _REFUSED.get(kind, "is not one whose cost this gateway can bound")
        raise refused(
            f"The tool {kind[:64]!r} {why}. Use tools that your own code runs.",
            inside(where, "type"),
            "unsupported_parameter",
        )


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """How often hosted tools may run in one request."""

    passes: int = 1
    searches: int = 0


NO_TOOL_CALLS = ToolCalls()


def hosted_calls(document: Fields, hosted: HostedTools) -> ToolCalls:
    """Read the limit on hosted tool calls that a request with such tools must state."""
    limit = integer(document, "max_tool_calls", 0, PASSES_MAX - 1)
    if not hosted.searches:
        return NO_TOOL_CALLS
    if limit is None:
        raise refused(
            "web_search needs a limit: set 'max_tool_calls' "
            f"(at most {PASSES_MAX - 1}), so that its cost can be held beforehand.",
            "max_tool_calls",
            "missing_required_parameter",
        )
    return ToolCalls(passes=limit + 1, searches=limit)


def _runs_locally(tool: Fields, where: str) -> bool:
    environment = mapping(tool, "environment", where=where)
    return environment is not None and environment.get("type") == "local"
