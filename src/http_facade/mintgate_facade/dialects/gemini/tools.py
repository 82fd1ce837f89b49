"""Which Gemini tools a request may bring. The list is closed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mintgate_facade.dialects.checks import Fields, inside, objects, refused
from mintgate_facade.dialects.gemini.names import unify

GROUNDED_PER_REQUEST_UNTIL = 2
"""Up to this generation a grounded request costs one fee; later ones pay for each query,
and the model makes as many as it likes."""

_CLIENT = frozenset({"functionDeclarations", "computerUse"})
_SEARCH = frozenset({"googleSearch", "googleSearchRetrieval"})
_REFUSED = {
    "codeExecution": "runs code and reads its output in passes that have no limit",
    "fileSearch": "reads stores that all users of this gateway would share",
    "googleMaps": "has a fee that this gateway does not know",
    "mcpServers": "calls other servers without a limit on what they return",
}
_GENERATION = re.compile(r"gemini-(\d+)", re.ASCII)


@dataclass(slots=True)
class Tools:
    """What the tools of a request add to its bound."""

    present: bool = False
    predefined: bool = False
    """Some have a hidden prompt of the provider's."""
    grounded: bool = False
    reads_addresses: bool = False

    @property
    def hosted(self) -> bool:
        """The provider fetches content by itself, and reads it in a further pass."""
        return self.grounded or self.reads_addresses

    def read(self, document: Fields, model: str) -> None:
        """Read the request's `tools`."""
        for index, tool in enumerate(objects(document, "tools")):
            where = f"tools[{index}]"
            for name, value in unify(tool, where).items():
                if value is not None:
                    self.present = True
                    self._read_tool(name, model, inside(where, name))

    def _read_tool(self, name: str, model: str, param: str) -> None:
        if name in _CLIENT:
            self.predefined = self.predefined or name == "computerUse"
        elif name == "urlContext":
            self.reads_addresses = True
        elif name in _SEARCH:
            if not pays_per_request(model):
                raise refused(
                    f"'{param}': {model} pays for each search query, and their number has no "
                    "limit. Use a model up to gemini-2.5, or search from your own code.",
                    param,
                )
            self.grounded = True
        else:
            why = _REFUSED.get(name, "is not one whose cost this gateway can bound")
            raise refused(f"'{param}' {why}. Use functions that your own code runs.", param)


def pays_per_request(model: str) -> bool:
    """Whether grounding costs one fee a request; an unknown generation is taken for a late one."""
    match = _GENERATION.search(model)
    return match is not None and int(match[1][:3]) <= GROUNDED_PER_REQUEST_UNTIL
