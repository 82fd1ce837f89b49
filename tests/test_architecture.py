"""Imports go one way; see docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src"

OURS = ("mintgate", "mintgate_core", "mintgate_facade", "mintgate_simulator")

PACKAGES = {
    "mintgate": SRC / "clients/mintgate",
    "mintgate_core": SRC / "core/mintgate_core",
    "mintgate_facade": SRC / "http_facade/mintgate_facade",
    "mintgate_simulator": SRC / "simulator/mintgate_simulator",
}

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    # The functional core of the core: nothing but itself.
    "mintgate_core.ledger": ("mintgate_core.ledger",),
    "mintgate_core.pricing": ("mintgate_core.pricing", "mintgate_core.ledger"),
    "mintgate_core.stores": (
        "mintgate_core.stores",
        "mintgate_core.ledger",
        "mintgate_core.clock",
        # The importable suite makes ids as a client does.
        "mintgate.ids",
    ),
    "mintgate_core.ratelimit": (
        "mintgate_core.ratelimit",
        "mintgate_core.ledger",
        "mintgate_core.clock",
    ),
    "mintgate_core": ("mintgate_core", "mintgate"),
    "mintgate_facade.dialects": ("mintgate_facade.dialects", "mintgate.v1"),
    "mintgate_facade.providers": (
        "mintgate_facade.providers",
        "mintgate_facade.dialects",
        "mintgate.v1",
    ),
    "mintgate_facade": ("mintgate_facade", "mintgate"),
    "mintgate": ("mintgate",),
    # The processes of an installation write their logs alike.
    "mintgate_simulator": ("mintgate_simulator", "mintgate.logs"),
}
"""The longest matching prefix of a module says what of ours it may import."""

PURE = ("asyncio", "socket", "time", "random", "sqlite3", "grpc", "os", "pathlib")
"""What the ledger must not touch: no I/O, no clock."""

CLOCKS = ("now", "today", "utcnow")
"""How `datetime`, whose calendar the ledger needs, would be asked for the time."""


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours with its dotted name."""
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *(part for part in parts if part != "__init__")))
            if not name.startswith("mintgate.v1"):
                yield name, path


def imports(name: str, path: Path) -> Iterator[str]:
    """What a module imports, relative imports made absolute."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def allowed(name: str) -> tuple[str, ...]:
    """What a module may import of ours."""
    prefixes = [prefix for prefix in MAY_IMPORT if within(name, prefix)]
    return MAY_IMPORT[max(prefixes, key=len)]


def within(name: str, prefix: str) -> bool:
    """Whether a dotted name is a prefix or below it."""
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: str(value)[-60:])
def test_imports_go_one_way(name: str, path: Path) -> None:
    """A module imports of ours only what the table allows it."""
    ours = [i for i in imports(name, path) if i.split(".")[0] in OURS]
    parents = {".".join(prefix.split(".")[:n]) for prefix in allowed(name) for n in (1, 2)}
    wrong = [i for i in ours if i not in parents and not any(within(i, p) for p in allowed(name))]
    assert wrong == []


def test_the_ledger_is_pure() -> None:
    """The ledger imports neither I/O nor a clock."""
    found = [
        (name, i)
        for name, path in modules()
        if within(name, "mintgate_core.ledger")
        for i in imports(name, path)
        if i.split(".")[0] in PURE
    ]
    assert found == []


def test_the_ledger_asks_no_clock() -> None:
    """The ledger computes with the times that it is given and never asks for one."""
    found = [
        (name, node.attr)
        for name, path in modules()
        if within(name, "mintgate_core.ledger")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS
    ]
    assert found == []


def test_the_base_install_needs_no_server() -> None:
    """The client package imports nothing that only the server extra installs."""
    server = {"fastapi", "genai_prices", "orjson", "pydantic", "uvicorn", "uvloop"}
    found = [
        (name, i)
        for name, path in modules()
        if within(name, "mintgate")
        for i in imports(name, path)
        if i.split(".")[0] in server
    ]
    assert found == []
