"""A worker has room for its connections, whatever the shell allows by default."""

from __future__ import annotations

import resource

from mintgate_facade.__main__ import OPEN_FILES

from tests.harness import Installation

USUAL_SOFT_LIMIT = 1_024


def test_worker_lifts_the_soft_limit_of_open_files(gateway: Installation) -> None:
    """A facade may open as many files as the hard limit allows, up to what it needs."""
    soft, hard = resource.prlimit(gateway.pid("facade-0"), resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    assert soft >= allowed > USUAL_SOFT_LIMIT
