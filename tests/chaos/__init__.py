"""Real processes, real faults, and a checker that replays what was promised.

`make chaos SEED=1` runs the long version; `test_chaos.py` a short one.
"""

import os

# A server that runs as another user is forked, and gRPC's own fork handlers then wait
# for its threads, sometimes for ever. Read when gRPC is first imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
