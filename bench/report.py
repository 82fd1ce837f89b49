"""The comparison as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.contenders import BY_NAME, NOT_HERE
from bench.overspend import CAP_NANO_USD, PARALLEL
from bench.page import DASH, number, percent, table
from bench.summary import DIRECT, NGINX, PYTHON

COLUMNS = {
    "json-1": "JSON, 1 client",
    "json-32": "JSON, 32",
    "json-256": "JSON, 256",
    "stream-1": "stream, 1 client",
    "stream-32": "stream, 32",
    "stream-256": "stream, 256",
}

PLAIN = (
    (DIRECT, "of_direct", "the direct call"),
    (NGINX, "of_nginx", "nginx"),
    (PYTHON, "of_python", "the plain proxy in Python"),
)
PROCESSOR = (
    "**Processor seconds for 1,000 requests**, all processes of the contender, its database"
    " with them:"
)
AFTER = (
    f"**Memory after the load, and {PARALLEL} requests at once at a cap of {CAP_NANO_USD:,}"
    " nano-dollars**:"
)

Case = dict[str, Any]


def comparison(data: dict[str, Any]) -> str:
    """Everything that `make bench` prints and puts into the page."""
    figures = data["figures"]
    ratios = plain(figures)
    return "\n\n".join(
        [
            provenance(data),
            "**Requests a second**, with 1, 32 and 256 clients:",
            by_case(figures, lambda case: number(case["per_second"])),
            f"**Of the throughput of {' / '.join(title for _, title in ratios)}**:",
            by_case(figures, lambda case: shares(case, ratios)),
            "**Added latency in milliseconds**, p50 / p99, to the direct call of the same round:",
            by_case({name: each for name, each in figures.items() if name != DIRECT}, latency),
            PROCESSOR,
            by_case(figures, processor),
            AFTER,
            after(figures),
            *notes(data),
        ]
    )


def provenance(data: dict[str, Any]) -> str:
    """On what, when, and with which versions."""
    machine = "; ".join(data["machine"].values())
    versions = [
        f"{BY_NAME[name].title} {version}" for name, version in data["versions"].items() if version
    ]
    tools = [f"{name} {version}" for name, version in data["tools"].items()]
    return (
        f"Medians of {data['rounds']} rounds of {data['seconds']:g} seconds a case, {data['date']}."
        f" {machine}. Load average before the first round: {data['load_average']:.1f}."
        f" {'; '.join(versions + tools)}."
    )


def by_case(figures: dict[str, Any], cell: Callable[[Case], str]) -> str:
    """A row a contender, a column a case."""
    names = [name for name in COLUMNS if any(name in each["cases"] for each in figures.values())]
    rows = [
        [BY_NAME[contender].title]
        + [cell(each["cases"][name]) if name in each["cases"] else DASH for name in names]
        for contender, each in figures.items()
    ]
    return table(["", *(COLUMNS[name] for name in names)], rows)


def plain(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Ratios that are shown, and to whom; the page keeps figures from before the yardstick."""
    return [(ratio, title) for name, ratio, title in PLAIN if name in figures]


def shares(case: Case, ratios: Sequence[tuple[str, str]]) -> str:
    """Ratios."""
    return " / ".join(percent(case[ratio]) for ratio, _ in ratios)


def latency(case: Case) -> str:
    """Added latency; what took no longer than a direct call added nothing that was seen."""
    values = (case["added_p50_ms"], case["added_p99_ms"])
    return " / ".join(
        number(value, 2 if value is not None and value < 10 else 0) for value in values
    )


def processor(case: Case) -> str:
    """Processor seconds; the direct call has no process of its own."""
    return number(case["processor_s_per_1000"] or None, 2)


def after(figures: dict[str, Any]) -> str:
    """Memory, and the burst."""
    return table(
        ["", "memory, MB", f"answered of {PARALLEL}", "overspent, nano-dollars", "failed requests"],
        [
            [
                BY_NAME[name].title,
                number(each["memory_mb"] or None),
                each["answered"],
                number(each["over_nano_usd"]),
                sum(case["failures"] for case in each["cases"].values()),
            ]
            for name, each in figures.items()
        ],
    )


def notes(data: dict[str, Any]) -> Sequence[str]:
    """What a reader must know of each contender, and who is not here."""
    said = [f"- {BY_NAME[name].title}: {BY_NAME[name].note}." for name in data["figures"]]
    said = [line for line, name in zip(said, data["figures"], strict=True) if BY_NAME[name].note]
    said += [
        f"- {BY_NAME[name].title} is left out: {why}." for name, why in data["left_out"].items()
    ]
    said += [f"- {name} is not compared: {why}." for name, why in NOT_HERE.items()]
    return ["\n".join(said)]
