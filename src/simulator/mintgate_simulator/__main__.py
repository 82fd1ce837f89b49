"""``python -m mintgate_simulator --host 127.0.0.1 --port 0``."""

from __future__ import annotations

import argparse

from mintgate import logs

from .serve import serve


def main() -> None:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="mintgate simulate", description="Native twins of the model providers."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument(
        "--log-format", default=logs.AUTO, choices=logs.FORMATS, help="form of its log lines"
    )
    arguments = parser.parse_args()
    logs.configure("warning", arguments.log_format, process="simulator")
    serve(arguments.host, arguments.port)


if __name__ == "__main__":
    main()
