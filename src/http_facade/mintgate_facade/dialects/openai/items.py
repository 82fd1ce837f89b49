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
    value = document.get("input")
    if value is None or isinstance(value, str):
        return
    for index, item in enumerate(objects(document, "input")):
        _read_item(item, f"input[{index}]", content, hosted)


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
        hosted.read(item, where)
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
