"""Which Anthropic tools a request may bring, and what the server's own add to its bound.

The list is closed. A server tool makes the provider sample again over a longer
input; it is allowed only with `max_uses`, which limits how often.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mintgate_facade.dialects.checks import (
    Fields,
    array,
    inside,
    integer,
    objects,
    refused,
    text,
)

PASSES_MAX = 64
"""Most passes that the ledger accepts in one bound."""

_CLIENT = re.compile(
    r"(bash|browser_toolset|computer|computer_toolset|memory|text_editor)_\d{8}", re.ASCII
)
"""Tools of Anthropic's own design that the client runs."""
_SERVER = re.compile(r"(web_search|web_fetch)_(\d{8})", re.ASCII)
_CALLED_FROM_CODE_SINCE = "20260209"
"""From this version on, code in a container may call these tools too, with passes that
`max_uses` does not count; so only direct calls are allowed."""
_REFUSED = {
    "advisor": "asks another model, at a price of its own",
    "code_execution": "runs in a container, with passes that have no limit",
    "mcp_toolset": "calls other servers without a limit on what they return",
    "tool_search": "adds passes that have no limit",
}


@dataclass(slots=True)
class Tools:
    """What the tools of a request add to its bound."""

    present: bool = False
    predefined: bool = False
    """Some have a hidden prompt of the provider's."""
    uses: int = 0
    """Most server tool calls of all kinds."""
    searches: int = 0
    """Most web searches, which cost a fee each."""

    def read(self, document: Fields) -> None:
        """Read the request's `tools`."""
        for index, tool in enumerate(objects(document, "tools")):
            self.read_tool(tool, f"tools[{index}]")
        if self.uses >= PASSES_MAX:
            raise refused(
                f"tools: the server tools' 'max_uses' sum to {self.uses}; at most {PASSES_MAX - 1} "
                "can be held beforehand.",
                "tools",
            )

    def read_tool(self, tool: Fields, where: str) -> None:
        """Read one tool definition."""
        self.present = True
        kind = text(tool, "type", where=where) or "custom"
        if kind == "custom":
            return
        self.predefined = True
        if _CLIENT.fullmatch(kind):
            return
        server = _SERVER.fullmatch(kind)
        if server is None:
            why = next(
                (reason for name, reason in _REFUSED.items() if kind.startswith(name)),
                "is not one whose cost this gateway can bound",
            )
            raise refused(
                f"{inside(where, 'type')}: the tool {kind[:64]!r} {why}. Use tools that your own "
                "code runs.",
                inside(where, "type"),
            )
        self._read_server_tool(tool, where, server[1], server[2])

    def _read_server_tool(self, tool: Fields, where: str, name: str, version: str) -> None:
        limit = integer(tool, "max_uses", 0, PASSES_MAX - 1, where=where)
        if limit is None:
            raise refused(
                f"{inside(where, 'max_uses')}: set it (at most {PASSES_MAX - 1}), so that the cost "
                f"of {name} can be held beforehand.",
                inside(where, "max_uses"),
            )
        callers = array(tool, "allowed_callers", where=where)
        if callers != ["direct"] and (version >= _CALLED_FROM_CODE_SINCE or callers):
            raise refused(
                f'{inside(where, "allowed_callers")}: set it to ["direct"]; calls from hosted code '
                "add passes that have no limit.",
                inside(where, "allowed_callers"),
            )
        self.uses += limit
        if name == "web_search":
            self.searches += limit
