"""A writer to be killed: applies batches to a store, folds, and says which were answered.

Arguments: the file, and the number of the first operation. For each answered
settle one line goes to standard output: the hold's id and what was charged.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mintgate_core.ledger.books import operation_id
from mintgate_core.ledger.operations import Operation, Reserved, Settled
from mintgate_core.stores.conformance import Tenant
from mintgate_core.stores.conformance.builders import new_id, settling
from mintgate_core.stores.sqlite import SqliteStore

HOLDS_A_BATCH = 8


async def main(path: Path, number: int) -> None:
    """Reserve a batch of holds, settle the batch before it, fold, and so on until killed."""
    store = SqliteStore.open(path)
    (account,) = await store.accounts("", 1)
    (master,) = await store.keys(account.account_id, external_user_id="", before_id="", limit=1)
    tenant = Tenant(store, account, master)
    settles: list[Operation] = []
    while True:
        batch: list[Operation] = list(settles)
        for _ in range(HOLDS_A_BATCH):
            number += 1
            # One in four overruns its hold, one in four is asked for twice.
            batch.append(tenant.reserving(master, 100, hold_id=new_id(number)))
        answers = await store.apply(batch)
        # The hour that goes on, so that each round has something to move.
        await store.fold_usage(await store.now_ms() + 1, HOLDS_A_BATCH)
        lines = []
        settles = []
        for operation, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Settled):
                lines.append(f"{operation_id(operation).hex()} {answer.charged_nano_usd}\n")
            elif isinstance(answer, Reserved):
                cost = 130 if answer.token.hold_id[-1] % 4 == 0 else 60
                settles += [settling(answer.token, cost)] * (1 + answer.token.hold_id[-1] % 4 // 3)
        sys.stdout.write("".join(lines))
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
