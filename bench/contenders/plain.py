"""The two limits: a direct call, and nginx as a plain reverse proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from bench.contenders.base import CREDENTIAL, Contender, Running, bearer
from bench.servers import nginx, version_of
from tests.ports import free_port

PROXY = """\
worker_processes auto;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_buffer_size 64k;
  {paths}
  upstream provider {{
    server {upstream};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
"""What its manual says to set for a proxy of streams; everything else is its default."""


@contextmanager
def start_direct(upstream: str) -> Iterator[Running]:
    """Nothing between client and upstream."""
    yield Running(upstream, bearer(CREDENTIAL))


@contextmanager
def start_nginx(upstream: str) -> Iterator[Running]:
    """A proxy that knows no keys and no money."""
    port = free_port()
    address = urlsplit(upstream).netloc

    def configuration(paths: str) -> str:
        return PROXY.format(paths=paths, upstream=address, port=port)

    with nginx(configuration, port) as pid:
        yield Running(f"http://127.0.0.1:{port}", bearer(CREDENTIAL), (pid,))


DIRECT = Contender("direct", "direct call", start_direct, lambda: "")
NGINX = Contender(
    "nginx", "nginx, plain reverse proxy", start_nginx, lambda: version_of("nginx", "-v")
)
