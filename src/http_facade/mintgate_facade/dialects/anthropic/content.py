"""Reads Anthropic content blocks for what they can be billed as.

Content stands in the request, at a public address, or in a stored file, which
must be the key's own: the relay checks the names that are collected here.
Containers cannot be checked and are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mintgate_facade.dialects.anthropic.tools import Tools
from mintgate_facade.dialects.base import ObjectName
from mintgate_facade.dialects.checks import (
    Fields,
    array,
    element,
    inside,
    mapping,
    refused,
    text,
)

IMAGE_TOKENS_MAX = 4_784
"""The cap of models that see images in high resolution; others stop near 1,600."""

_PLAIN = frozenset(
    {
        "browser_state",
        "mcp_tool_use",
        "redacted_thinking",
        "server_tool_use",
        "text",
        "thinking",
        "tool_reference",
        "tool_removal",
        "tool_search_tool_result",
        "tool_use",
    }
)
"""Blocks whose whole content stands in the request as text."""
_NESTED = frozenset({"tool_result", "search_result", "mcp_tool_result"})


@dataclass(slots=True)
class Content:
    """What a request's content adds to its bound."""

    tools: Tools = field(default_factory=Tools)
    image_tokens: int = IMAGE_TOKENS_MAX
    """Most tokens of one picture."""
    media_bytes: int = 0
    """Bytes of the body that are media in base64."""
    media_tokens: int = 0
    """Most tokens that this media can be billed as, where its bytes do not bound it."""
    files: list[ObjectName] = field(default_factory=list)
    """Stored files that are read."""
    open: bool = False
    """Some content is not in the request, or its tokens are not bounded by its bytes."""
    cached: bool = False
    cached_1h: bool = False

    def mark(self, fields: Fields, where: str) -> None:
        """Note a cache breakpoint; any life other than five minutes counts as an hour."""
        control = mapping(fields, "cache_control", where=where)
        if control is not None:
            self.cached = True
            self.cached_1h = self.cached_1h or text(
                control, "ttl", where=inside(where, "cache_control")
            ) not in {None, "5m"}

    def read_blocks(self, fields: Fields, name: str, where: str = "") -> None:
        """Read a field that holds a string or a list of blocks."""
        value = fields.get(name)
        if value is None or isinstance(value, str):
            return
        for index, block in enumerate(array(fields, name, where=where) or ()):
            param = f"{inside(where, name)}[{index}]"
            self.read_block(element(block, param), param)

    def read_block(self, block: Fields, where: str) -> None:
        """Read one block; its type must be one that can be metered."""
        kind = text(block, "type", where=where) or ""
        self.mark(block, where)
        if kind in _PLAIN:
            return
        if kind in _NESTED:
            self.read_blocks(block, "content", where)
            return
        match kind:
            case "image":
                self._read_image(block, where)
            case "document":
                self._read_document(block, where)
            case "web_search_tool_result":
                # Its pages are sealed: their size shows nowhere.
                self.open = True
            case "web_fetch_tool_result":
                self._read_web_fetch_result(block, where)
            case "compaction":
                self._read_compaction(block, where)
            case "tool_addition":
                self._read_tool_addition(block, where)
            case _:
                param = inside(where, "type")
                raise refused(
                    f"{param}: content of type {kind[:64]!r} is not supported by this gateway.",
                    param,
                )

    def _read_image(self, block: Fields, where: str) -> None:
        source = self._source(block, where)
        if source.get("type") == "base64":
            self._add_media(source, where, self.image_tokens)
        else:
            self.open = True

    def _read_document(self, block: Fields, where: str) -> None:
        source = self._source(block, where)
        kind = source.get("type")
        if kind == "content":
            self.read_blocks(source, "content", inside(where, "source"))
        elif kind != "text":
            # A page becomes text and a picture: the bytes of a PDF bound neither.
            self.open = True
            self._add_media(source, where, 0)

    def _read_web_fetch_result(self, block: Fields, where: str) -> None:
        self.open = True
        result = mapping(block, "content", where=where) or {}
        document = mapping(result, "content", where=inside(where, "content"))
        if document is not None:
            self.read_block(document, inside(where, "content.content"))

    def _read_compaction(self, block: Fields, where: str) -> None:
        self.open = True
        for index, change in enumerate(array(block, "tool_changes", where=where) or ()):
            param = f"{inside(where, 'tool_changes')}[{index}]"
            self.read_block(element(change, param), param)

    def _read_tool_addition(self, block: Fields, where: str) -> None:
        tool = mapping(block, "tool", where=where) or {}
        definition = mapping(tool, "definition", where=inside(where, "tool"))
        if definition is not None:
            self.tools.read_tool(definition, inside(where, "tool.definition"))
            self.mark(definition, inside(where, "tool.definition"))

    def _add_media(self, source: Fields, where: str, tokens: int) -> None:
        data = text(source, "data", where=inside(where, "source")) or ""
        self.media_bytes += len(data)
        self.media_tokens += tokens

    def _source(self, block: Fields, where: str) -> Fields:
        source = mapping(block, "source", where=where) or {}
        kind = text(source, "type", where=inside(where, "source"))
        if kind == "file":
            file_id = text(source, "file_id", where=inside(where, "source"))
            if not file_id:
                param = inside(where, "source.file_id")
                raise refused(f"{param}: Field required", param)
            self.files.append(ObjectName("file", file_id))
            self.open = True
        elif kind not in {"base64", "text", "content", "url"}:
            param = inside(where, "source.type")
            raise refused(f"{param}: must be base64, text, content, url or file.", param)
        return source
