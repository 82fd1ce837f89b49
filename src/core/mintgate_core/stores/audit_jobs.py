"""The invariants of what is kept beside the money: jobs that keep holds open, and objects."""

from __future__ import annotations

from mintgate_core.ledger.limits import JOB_TTL_MS_MAX
from mintgate_core.ledger.types import HoldJob
from mintgate_core.stores.audit_queries import Query
from mintgate_core.stores.audit_scope import Dialect


def of_jobs(dialect: Dialect) -> Query:
    """Every audit reads all jobs: there are as many as holds that they keep open."""
    hex_ = dialect.hex.format
    both = "from hold h join job j on j.hold_id = h.hold_id"
    return Query(
        "each job has an open hold that ends when it does, each hold of a job has it, and"
        " none lasts longer than a job may",
        "job",
        f"select 'job ' || {hex_('j.hold_id')} || ' has no open hold', j.wallet_id from job j"
        " left join hold h on h.hold_id = j.hold_id where h.hold_id is null or h.job = 0"
        f" union all select 'hold ' || {hex_('h.hold_id')} || ' has no job', h.wallet_id"
        " from hold h left join job j on j.hold_id = h.hold_id"
        " where h.job <> 0 and j.hold_id is null"
        f" union all select 'hold ' || {hex_('h.hold_id')} || ' ends at ' || h.expires_at ||"
        f" ', its job at ' || j.deadline, h.wallet_id {both} where h.expires_at <> j.deadline"
        f" union all select 'job ' || {hex_('h.hold_id')} || ' lasts too long', h.wallet_id {both}"
        f" where h.job = {int(HoldJob.ALIVE)} and j.deadline - j.created_at > {JOB_TTL_MS_MAX}",
    )


def of_objects() -> Query:
    """Only an audit of everything counts the objects, which may be many millions."""
    return Query(
        "each key's objects are as many as were counted",
        "owned_object",
        "select 'key ' || key_id || ' has ' || sum(found) || ' objects, counted ' ||"
        " sum(told), null from (select key_id, sum(counted) as found, 0 as told"
        " from owned_object group by key_id union all select key_id, 0, n from object_count) y"
        " group by key_id having sum(found) <> sum(told)",
    )
