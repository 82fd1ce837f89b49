"""Write docs/providers.md from the route tables, or check that it is current.

    python scripts/providers_page.py write|check

What is said of an operation stands beside its dialect (`terms`); why a row is denied stands in
the row. Nothing here knows a provider by name.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from mintgate_facade.dialects.base import Access, Policy, Route
from mintgate_facade.providers.base import Provider, Surface
from mintgate_facade.providers.registry import REGISTRY

PAGE = Path(__file__).resolve().parent.parent / "docs/providers.md"

INTRODUCTION = """\
# Providers and their routes

Made from the route tables by `make docs`; do not edit it.

Each provider has a closed table of routes. What is not in it is a 404 and never reaches the \
provider. A row is one of five:

- **metered**: held at its bound before it is forwarded, and settled at what it is metered by.
- **free**: the key is checked, the request is forwarded, nothing is billed.
- **owned**: about objects stored at the provider. They belong to the key that created them; to \
any other key they are a 404.
- **local**: answered by the gateway.
- **denied**: refused with 403 and the reason.

"The body's bytes" bound text, because a token is at least one byte of it. A request without an \
output limit is fitted or held at the model's largest output: see \
[bounds, holds and charges](metering.md), which has the rules in full.

Clients send their key of this gateway where their SDK puts its own. The operator's key is put in \
its place, in the form that is named with each surface. Paths are written as they stand at the \
provider; behind the gateway they follow one of the prefixes, and a version may be left out or \
written twice.

xAI's own SDK (`xai-sdk`) speaks gRPC only, which this gateway does not. xAI's models are served \
over REST: use the OpenAI SDK, the Anthropic SDK or `@ai-sdk/xai`.
"""

_FREE = "forwarded; the provider bills nothing"
_OWNED = {
    Access.CREATE: "the new object becomes the key's",
    Access.USE: "only the key's own object",
    Access.LIST: "only the key's own objects, from the gateway's record",
    Access.FORGET: "only the key's own object",
    Access.READ: "the key's own object, or one that the provider has for everybody",
    Access.FILTER: "the provider's list, less what is neither the key's nor everybody's",
    Access.UPLOAD: "the new object becomes the key's; its address is sealed with the key",
}


def page() -> str:
    """Make the whole page."""
    parts = [INTRODUCTION, _overview(REGISTRY.providers)]
    parts.extend("\n".join(_provider(provider)) for provider in REGISTRY.providers)
    return "\n".join(parts)


def _overview(providers: Sequence[Provider]) -> str:
    rows = ["| provider | prefixes | metered | free | owned | local | denied |", "|---" * 7 + "|"]
    for provider in providers:
        policies = [route.policy for route in provider.routes]
        counts = " | ".join(
            str(policies.count(policy))
            for policy in (Policy.METERED, Policy.FREE, Policy.OWNED, Policy.LOCAL, Policy.DENIED)
        )
        rows.append(f"| [{provider.slug}](#{provider.slug}) | {_prefixes(provider)} | {counts} |")
    return "\n".join((*rows, ""))


def _prefixes(provider: Provider) -> str:
    return ", ".join(f"`/{prefix}`" for prefix in provider.all_prefixes)


def _provider(provider: Provider) -> Iterator[str]:
    yield f"## {provider.slug}\n"
    if provider.use:
        address = re.sub(r"(<gateway>\S*)", r"`\1`", provider.use)
        yield f"Use {address}.\n"
    yield f"- base URL: `{provider.base_url}`"
    yield f"- prefixes: {_prefixes(provider)}"
    if provider.unprefixed:
        yield f"- without a prefix: {_unprefixed(provider)}"
    if provider.models is not None:
        yield f"- models that it alone has: `{provider.models.pattern}`"
    if provider.hosts is not None:
        yield f"- models that others have too, which need the prefix: `{provider.hosts.pattern}`"
    for surface in provider.surfaces:
        yield from _surface(provider, surface)
    yield ""


def _unprefixed(provider: Provider) -> str:
    if "/" in provider.unprefixed:
        return (
            "all of its paths; of those that others have too, the SDK's headers and the model tell"
        )
    return ", ".join(f"`{path}`" for path in provider.unprefixed)


def _surface(provider: Provider, surface: Surface) -> Iterator[str]:
    if len(provider.surfaces) > 1:
        yield f"\n### {provider.slug}: {surface.name}"
    where = provider.address(surface, provider.base_url)
    header, value = surface.credential("KEY")
    mount = f", below `{surface.mount}`" if surface.mount else ""
    yield f"\nForwarded to `{where}`{mount}, with the operator's key as `{header}: {value}`.\n"
    yield "| route | policy | bounded by | metered by |"
    yield "|---|---|---|---|"
    for route in surface.routes:
        if route.policy is not Policy.DENIED:
            yield f"| `{_path(route)}` | {route.policy} | {' | '.join(_terms(surface, route))} |"
    denied = sorted(
        (route for route in surface.routes if route.policy is Policy.DENIED),
        key=lambda route: route.reason,
    )
    if denied:
        yield "\n| denied | why |"
        yield "|---|---|"
    for reason, routes in groupby(denied, key=lambda route: route.reason):
        yield f"| {', '.join(f'`{_path(route)}`' for route in routes)} | {reason} |"


def _path(route: Route) -> str:
    return route.path if route.method == "*" else f"{route.method} {route.path}"


def _terms(surface: Surface, route: Route) -> tuple[str, str]:
    match route.policy:
        case Policy.METERED:
            return surface.dialect.terms[route.operation]
        case Policy.FREE:
            return _FREE, "nothing"
        case Policy.OWNED if route.access is not None:
            most = f"; at most {route.most} of a key" if route.most else ""
            return _OWNED[route.access] + most, "nothing"
        case _:
            return "answered by the gateway", "nothing"


def main(mode: str) -> int:
    """Write the page, or tell whether it is what would be written."""
    current = page()
    if mode == "write":
        PAGE.write_text(current)
        return 0
    if PAGE.exists() and PAGE.read_text() == current:
        return 0
    sys.stderr.write(f"docs/{PAGE.name} is not current: run 'make docs'\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
