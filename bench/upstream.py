"""The provider of the comparison: nginx that answers from memory, in Lua.

It is compiled and it is not what is measured: one worker answers tens of thousands of
requests a second and thousands of streams, each event flushed by itself.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.servers import nginx, version_of
from bench.workload import PAUSE, SLOWLY, answer, events
from tests.ports import free_port

DELAY_S = 1.0
"""How long an answer to a slow request waits: enough for a burst of fifty to arrive."""

MODULES = Path("/usr/lib/nginx/modules")

CONFIGURATION = """\
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
worker_processes 1;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_buffer_size 64k;
  {paths}
  init_by_lua_block {{
    answer = {answer}
    events = {{ {events} }}
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      content_by_lua_block {{
        ngx.req.read_body()
        local body = ngx.req.get_body_data() or ""
        if string.find(body, "{slowly}", 1, true) then ngx.sleep({delay_s}) end
        if string.find(body, '"stream": ?true') then
          ngx.header["content-type"] = "text/event-stream"
          local pause_s = tonumber(string.match(body, "{pause}([0-9.]+)") or "0")
          for i = 1, #events do
            ngx.print(events[i])
            ngx.flush(true)
            if pause_s > 0 then ngx.sleep(pause_s) end
          end
        else
          ngx.header["content-type"] = "application/json"
          ngx.header["content-length"] = #answer
          ngx.print(answer)
        end
      }}
    }}
  }}
}}
"""


def configuration(port: int, paths: str) -> str:
    """What nginx is told. A JSON string of plain letters is a Lua string too."""
    return CONFIGURATION.format(
        modules=MODULES,
        paths=paths,
        port=port,
        slowly=SLOWLY,
        pause=PAUSE,
        delay_s=DELAY_S,
        answer=json.dumps(answer()),
        events=", ".join(json.dumps(event) for event in events()),
    )


@contextmanager
def upstream() -> Iterator[str]:
    """A started upstream; gives its address."""
    port = free_port()
    with nginx(lambda paths: configuration(port, paths), port):
        yield f"http://127.0.0.1:{port}"


def versions() -> dict[str, str]:
    """What upstream and load generator are."""
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)  # noqa: S607 - on the path
    return {"nginx": version_of("nginx", "-v"), "wrk": wrk.stdout.split()[1]}
