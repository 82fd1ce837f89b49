"""Reads the `input` of a Responses request (response_input_item_param.py)."""

from __future__ import annotations

from mintgate_facade.dialects.checks import Fields, element, inside, objects, refused, text
from mintgate_facade.dialects.openai.content import Content
from mintgate_facade.dialects.openai.tools import HostedTools

_PLAIN = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "web_search_call",
    }
)
"""Items whose whole content stands in the request as text."""
_WITH_OUTPUT = frozenset({"function_call_output", "custom_tool_call_output"})
_SEALED = frozenset({"reasoning", "compaction"})
"""Items that stand for more than they show: sealed text, or text kept at the provider."""


def read_input(document: Fields, content: Content, hosted: HostedTools) -> None:
    """Read `input`: a string, or a list of items of known types."""
    if not isinstance(document.get("input"), str):
        read_items(document, "input", content, hosted)


def read_items(document: Fields, name: str, content: Content, hosted: HostedTools) -> None:
    """Read a field that holds a list of items of known types, or nothing."""
    for index, item in enumerate(objects(document, name)):
        _read_item(item, f"{name}[{index}]", content, hosted)


def _read_item(item: Fields, where: str, content: Content, hosted: HostedTools) -> None:
    kind = text(item, "type", where=where)
    if kind == "message" or (kind is None and item.get("role") is not None):
        content.read_content(item, "content", where)
    elif kind in _WITH_OUTPUT:
        content.read_content(item, "output", where)
    elif kind == "computer_call_output":
        content.read_part(
            element(item.get("output"), inside(where, "output")), inside(where, "output")
        )
    elif kind in _SEALED:
        content.open = True
    elif kind in {"tool_search_output", "additional_tools"}:
        _read_tools(item, where, hosted)
    elif kind is None or kind == "item_reference":
        raise refused(
            "Items stored at the provider cannot be referred to through this gateway, because all "
            "its users share one account there. Send the item itself.",
            where,
            "unsupported_parameter",
        )
    elif kind not in _PLAIN:
        raise refused(
            f"Input items of type {kind[:64]!r} are not supported by this gateway.",
            inside(where, "type"),
        )


def _read_tools(item: Fields, where: str, hosted: HostedTools) -> None:
    """Read tools that stay with what is stored: they could run in any later request."""
    kept = HostedTools()
    kept.read(item, where)
    hosted.present = hosted.present or kept.present
    if kept.searches:
        raise refused(
            "Web search in an item would stay with what is stored, and could run again without a "
            "limit. Name it in 'tools'.",
            kept.search_param,
            "unsupported_parameter",
        )
