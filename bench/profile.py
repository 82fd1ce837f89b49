"""`python -m bench.profile`: where the processor time of facade and core goes.

py-spy looks at both processes while one case of the bench loads them. The parts and the
functions that take most are printed; stacks and flame graphs are kept in bench/results.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from bench import page, wrk
from bench.contenders.base import Running
from bench.contenders.mintgate import start_postgres, start_sqlite
from bench.measure import probe, warm_up
from bench.memory import processor_ns
from bench.stacks import Stack, by_function, by_part, stacks
from bench.upstream import upstream
from bench.workload import CASE_BY_NAME, PATH, Case

SECONDS = 8
RATE_HZ = 250
TOP = 25
LEAD_S = 1
"""The load begins earlier and ends later than what looks at it."""
STARTS = {"sqlite": start_sqlite, "postgresql": start_postgres}
PY_SPY = Path(sys.executable).with_name("py-spy")
END_WAIT_S = 60.0
"""py-spy works the stacks out after it has taken them."""


def main() -> int:
    """Load, look, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--case", choices=CASE_BY_NAME, default="json-32")
    parser.add_argument("--store", choices=STARTS, default="postgresql")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--native", action="store_true", help="with frames of C, if py-spy can")
    options = parser.parse_args()
    case = CASE_BY_NAME[options.case]
    with upstream() as address, start(options.store, address) as running:
        probe(running)
        warm_up(running, [case])
        more = ["--native"] if options.native else []
        name = f"{options.store}-{case.name}"
        raw = look(running, case, options.seconds, name, "raw", more)
        look(running, case, options.seconds, name, "flamegraph", more)
    for process, path in raw.items():
        samples = list(stacks(path.read_text().splitlines()))
        print(text(process, samples))
    print(f"stacks and flame graphs are in {page.RESULTS}/profile-{name}-*")
    return 0


def start(store: str, address: str) -> AbstractContextManager[Running]:
    """One facade worker, so that a profile is of all that a facade does."""
    return STARTS[store](address, MINTGATE_WORKERS="1")


def look(
    running: Running, case: Case, seconds: int, name: str, form: str, more: list[str]
) -> dict[str, Path]:
    """Load once while every process is looked at; returns a file for each of them."""
    page.RESULTS.mkdir(parents=True, exist_ok=True)
    end = {"raw": "txt", "flamegraph": "svg"}[form]
    files = {
        process: page.RESULTS / f"profile-{name}-{process}.{end}" for process in running.children
    }
    with ThreadPoolExecutor(1) as load:
        loading = load.submit(
            wrk.run,
            running.url + PATH,
            case.body,
            running.headers,
            clients=case.clients,
            seconds=seconds + 2 * LEAD_S,
        )
        before_ns = {process: processor_ns(pid) for process, pid in running.children.items()}
        watchers = [
            watch(running.children[process], seconds, path, form, more)
            for process, path in files.items()
        ]
        for watcher in watchers:
            _, errors = watcher.communicate(timeout=seconds + END_WAIT_S)
            assert watcher.returncode == 0, errors.decode()
        figures = loading.result()
    spent = {
        process: (processor_ns(pid) - before_ns[process]) / figures.requests / 1_000
        for process, pid in running.children.items()
    }
    told = ", ".join(f"{process} {us:,.0f} us" for process, us in spent.items())
    print(f"{case.name}: {figures.per_second:,.0f} a second under py-spy; of a request: {told}")
    return files


def watch(
    pid: int, seconds: int, path: Path, form: str, more: list[str]
) -> subprocess.Popen[bytes]:
    """Start py-spy on one process."""
    command = [str(PY_SPY), "record", "--pid", str(pid), "--duration", str(seconds)]
    command += ["--rate", str(RATE_HZ), "--format", form, "--output", str(path), *more]
    # Without this it stops the process for each sample, which a loaded one feels.
    command += ["--nonblocking"] if not more else []
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 - the command above


def text(process: str, samples: list[Stack]) -> str:
    """Parts and functions of one process, by how much they take."""
    total = sum(count for _, count in samples)
    own, inclusive = by_function(samples)
    return "\n\n".join(
        [
            f"## {process}: {total:,} samples",
            shares("part", by_part(samples), total, len(samples)),
            shares("function, by itself", own, total, TOP),
            shares("function, with what it calls", inclusive, total, TOP),
        ]
    )


def shares(title: str, counts: Counter[str], total: int, most: int) -> str:
    """The largest counts, as parts of all."""
    rows = [[name, page.percent(count / total)] for name, count in counts.most_common(most)]
    return page.table((title, "share"), rows)


if __name__ == "__main__":
    sys.exit(main())
