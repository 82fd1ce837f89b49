"""One property under libFuzzer, in a process of its own: libFuzzer ends its process itself."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import atheris

INPUT_BYTES_MAX = 65_536
INPUT_WAIT_S = 10
"""Of one input; the slowest seed takes some milliseconds."""
MEMORY_MB_MAX = 2_048
"""Of the process, the interpreter and all providers' tables included."""


def main() -> None:
    """Fuzz for a number of seconds. Exits with libFuzzer's code, which is 0 without a finding."""
    name, folder, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with atheris.instrument_imports(include=["mintgate_facade", "multipart"]):
        from tests.fuzz.inputs import PROPERTIES  # noqa: PLC0415 - instrumented as it is imported

    tried = PROPERTIES[name]
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(tried.corpus()):
        (corpus / f"seed-{number:04}").write_bytes(data[:INPUT_BYTES_MAX])

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = Random(seed)  # noqa: S311 - no secret
        return tried.mutated(data, most, chance, lambda rest: bytes(atheris.Mutate(rest, most)))

    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={seconds}",
        f"-max_len={INPUT_BYTES_MAX}",
        f"-timeout={INPUT_WAIT_S}",
        f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    atheris.Setup(arguments, tried.run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
