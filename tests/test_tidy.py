"""The repository checks itself: sizes, docstrings, links, and calls that have one home."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GENERATED = "src/clients/mintgate/v1/"
FUNCTION_LINES_MAX = 70
SOURCE_LINES_MAX = 600

CLOCKS = {
    "src/core/mintgate_core/clock.py",
}
"""Where the core may read the wall clock."""


def tracked(suffix: str) -> list[Path]:
    """Files of the repository, new ones included, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    paths = (ROOT / name for name in sorted(set(listed)) if name.endswith(suffix))
    return [path for path in paths if path.exists()]


def sources(folder: str = "") -> list[Path]:
    """Hand-written Python files."""
    start = str(ROOT / folder)
    generated = str(ROOT / GENERATED)
    return [
        path
        for path in tracked(".py")
        if str(path).startswith(start) and not str(path).startswith(generated)
    ]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_are_short() -> None:
    """No function has more than 70 lines."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_files_are_small() -> None:
    """No hand-written source file has more than 600 lines."""
    large = [
        str(path.relative_to(ROOT))
        for path in sources("src")
        if len(path.read_text().splitlines()) > SOURCE_LINES_MAX
    ]
    assert large == []


def test_every_test_says_what_it_holds() -> None:
    """Every test has a docstring of one sentence or more."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in [*sources("tests"), *sources("src/core/mintgate_core/stores/conformance")]
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_unfinished_business() -> None:
    """No source holds a marker of something left to do."""
    marker = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if marker.search(line)
    ]
    assert found == []


def test_the_core_reads_the_wall_clock_in_one_place() -> None:
    """Only clock.py calls the time module's clocks; everything else is given one."""
    clock = re.compile(r"\btime\.(time|time_ns)\(|datetime\.(now|utcnow)\(")
    found = [
        str(path.relative_to(ROOT))
        for path in sources("src/core")
        if str(path.relative_to(ROOT)) not in CLOCKS and clock.search(path.read_text())
    ]
    assert found == []


def test_money_is_never_a_float() -> None:
    """The ledger and the price arithmetic hold no float, neither literal nor call.

    Only where prices are read may Decimals be divided; the ledger divides integers.
    """
    found = []
    for folder in ("src/core/mintgate_core/ledger", "src/core/mintgate_core/pricing"):
        for path in sources(folder):
            for node in ast.walk(ast.parse(path.read_text())):
                literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
                named = isinstance(node, ast.Name) and node.id == "float"
                divided = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
                divided = divided and folder.endswith("ledger")
                if literal or named or divided:
                    found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    assert found == []


def test_sql_lives_in_the_stores() -> None:
    """No statement of SQL stands outside of a store."""
    statement = re.compile(
        r'"\s*(select .* from|insert into|update \w+ set|delete from)\b', re.IGNORECASE
    )
    found = [
        str(path.relative_to(ROOT))
        for path in sources("src")
        if "/stores/" not in str(path) and statement.search(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize("path", tracked(".md"), ids=lambda p: str(p.relative_to(ROOT)))
def test_documents_are_whole(path: Path) -> None:
    """Every document has one title, and every relative link leads somewhere."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.DOTALL)
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), target
