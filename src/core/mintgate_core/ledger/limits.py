"""Named bounds of the ledger, each with the reason for its size."""

from __future__ import annotations

ID_BYTES = 16
"""Operation ids are UUIDs."""

BATCH_OPERATIONS_MAX = 512
"""Operations in one transaction: throughput is flat beyond, latency is not."""

HOLD_TTL_MS_MIN = 1_000
HOLD_TTL_MS_MAX = 3_600_000
HOLD_TTL_MS_DEFAULT = 120_000
"""Twenty-four progress intervals of the facade; a longer one strands money after a crash."""

FIT_SHARE_DIVISOR = 8
"""A request that states no output limit may hold this fraction of what remains, so that
several can run side by side."""

FIT_OUTPUT_TOKENS_FLOOR = 4_096
"""Below this many tokens answers are cut in mid-sentence; give as much while affordable."""

NOTE_CHARACTERS_MAX = 200

ROTATION_GRACE_MS_MAX = 30 * 24 * 3_600_000
"""The longest that a rotated secret may go on to open its key."""
