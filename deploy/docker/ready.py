#!/srv/mintgate/bin/python
"""Health check of a container: `mintgate-ready grpc HOST:PORT` or `mintgate-ready http URL`.

Exits 0 when core says that it serves, or when the facade says that it can
reserve; 1 otherwise, with a line that says why. Core is asked as a facade asks
it: with TLS, and a certificate of its own, where the settings say so.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mintgate import Settings
from mintgate.channel import open_channel
from mintgate.config import ConfigError
from mintgate.tls import core_tls

WAIT_S = 3.0


def main(arguments: list[str]) -> int:
    """Ask once."""
    match arguments:
        case ["grpc", target]:
            missing = _core(target)
        case ["http", url] if url.startswith(("http://", "https://")):
            missing = _facade(url)
        case _:
            missing = "usage: mintgate-ready grpc HOST:PORT | http URL"
    if missing:
        sys.stderr.write(f"{missing}\n")
    return 1 if missing else 0


def _core(target: str) -> str:
    try:
        tls = core_tls(Settings.load(), target)
    except ConfigError as failure:
        return "; ".join(failure.problems)
    with open_channel(target, tls) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
        except grpc.RpcError as failure:
            return f"no answer from {target}: {failure.code().name}"
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return "" if serving else f"{target} does not serve"


def _facade(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=WAIT_S):  # noqa: S310 - http or https, see main
            return ""
    except urllib.error.HTTPError as failure:
        return f"{url} answered {failure.code}"
    except OSError as failure:
        return f"no answer from {url}: {failure}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
