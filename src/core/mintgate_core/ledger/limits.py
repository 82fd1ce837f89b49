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

JOB_TTL_MS_MIN = 1_000
JOB_TTL_MS_MAX = 48 * 3_600_000
"""How long a job of a provider may hold money in all: batches take a day by contract, and the
slowest operations are given up by their provider after two."""
JOB_TTL_MS_DEFAULT = 24 * 3_600_000

JOB_POLL_MS_MAX = 3_600_000
"""The longest wait between two looks at a job; money is held for as long as nobody looks."""

JOB_LEASE_MS_MIN = 1_000
JOB_LEASE_MS_MAX = 300_000
JOB_LEASE_MS_DEFAULT = 60_000

JOB_LAST_LOOK_MS = 2 * JOB_LEASE_MS_MAX
"""From a job's deadline to the expiry of its hold: whoever has it may keep it to the end of its
lease, and somebody else can have it once more."""

JOB_STATE_BYTES_MAX = 16_384
JOB_OBJECT_ID_CHARACTERS_MAX = 512
JOB_WORD_CHARACTERS_MAX = 64

JOBS_CLAIMED_MAX = 100
JOBS_CLAIMED_DEFAULT = 10

NOTE_CHARACTERS_MAX = 200

RECORDS_MAX = 16
"""Objects at a provider that one charge or job brings with it."""
RECORD_TTL_MS_MAX = 90 * 24 * 3_600_000
"""Such objects count toward no limit: each was paid for, and lives so long at most."""

ROTATION_GRACE_MS_MAX = 30 * 24 * 3_600_000
"""The longest that a rotated secret may go on to open its key."""
