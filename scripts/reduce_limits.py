"""Reduce a second-hand list of model prices to the limits that pricing needs.

    python scripts/reduce_limits.py INPUT.jsonl src/core/mintgate_core/pricing/data/limits.json

INPUT holds one JSON object a line with the field names of LiteLLM's public price list. Kept are
the context window and the largest output of token-billed models, the larger figure where a name
occurs twice: a limit that is too small would hold too little.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import json
import sys
from pathlib import Path

PROVIDERS = (
    "anthropic",
    "cerebras",
    "dashscope",
    "deepseek",
    "gemini",
    "minimax",
    "mistral",
    "moonshot",
    "openai",
    "xai",
)
SOURCE = "LiteLLM model_prices_and_context_window.json (MIT), snapshot read 2026-11"


def main(source: Path, target: Path) -> None:
    """Read `source`, write `target`."""
    limits: dict[str, dict[str, list[int]]] = {provider: {} for provider in PROVIDERS}
    for line in source.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["provider"] not in limits:
            continue
        name = row["model"].removeprefix(f"{row['provider']}/")
        found = [row.get("max_input_tokens") or 0, row.get("max_output_tokens") or 0]
        if any(found):
            known = limits[row["provider"]].setdefault(name, [0, 0])
            known[:] = [max(pair) for pair in zip(known, found, strict=True)]
    target.write_text(_one_model_a_line(limits), encoding="utf-8")


def _one_model_a_line(limits: dict[str, dict[str, list[int]]]) -> str:
    """JSON whose changes read well in a diff."""
    blocks = [
        f"    {json.dumps(provider)}: {{\n"
        + ",\n".join(
            f"      {json.dumps(name)}: {json.dumps(models[name])}" for name in sorted(models)
        )
        + "\n    }"
        for provider, models in sorted(limits.items())
    ]
    head = f'{{\n  "source": {json.dumps(SOURCE)},\n  "columns": '
    columns = '["context_window", "max_output_tokens"]'
    return f'{head}{columns},\n  "models": {{\n' + ",\n".join(blocks) + "\n  }\n}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
