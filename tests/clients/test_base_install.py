from __future__ import annotations

import subprocess
import sys

SERVER_ONLY = (
    "aiohappyeyeballs",
    "fastapi",
    "genai_prices",
    "grpc_health",
    "grpc_reflection",
    "httptools",
    "orjson",
    "pydantic",
    "uvicorn",
    "uvloop",
    "click",
    "mintgate_core",
    "mintgate_facade",
    "mintgate_simulator",
)

IMPORT_EVERYTHING = f"""
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {SERVER_ONLY!r}:
            raise ModuleNotFoundError(f"not in the base install: {{name}}", name=name)

sys.meta_path.insert(0, Absent())
import mintgate
names = [entry.name for entry in pkgutil.walk_packages(mintgate.__path__, "mintgate.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_the_client_needs_no_server_package() -> None:
    """Every module of the package imports where only the base install is."""
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert int(result.stdout) > 30
