"""The ledger beside an independent model, under every mix of operations, batches and stores."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test
from mintgate_core.stores.conformance.machine import BATCH_MAX, Driven, LedgerMachine
from mintgate_core.stores.memory import MemoryStore
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl
from mintgate_core.stores.sqlite import SqliteStore

from tests.servers.postgres import PostgresServer


class OneByOne(LedgerMachine):
    """Every operation a batch of its own, checked after each step."""

    def open_stores(self) -> list[Driven]:
        """Open one store in memory."""
        return [Driven(MemoryStore(self.clock))]


class Splits(LedgerMachine):
    """The same course of operations in batches of one, of three and of many."""

    def open_stores(self) -> list[Driven]:
        """Open three stores in memory."""
        return [Driven(MemoryStore(self.clock), gather) for gather in (1, 3, BATCH_MAX)]

    def teardown(self) -> None:
        """Compare the books of all stores as they are in the end."""
        self.apply_waiting()
        books = [_books(driven.store) for driven in self.driven]
        assert all(other == books[0] for other in books)
        super().teardown()


class Stores(LedgerMachine):
    """The stores with a database beside the one in memory, all in batches."""

    server: PostgresServer
    template: str

    def open_stores(self) -> list[Driven]:
        """Open all; file and database live as long as the machine."""
        self.database = self.server.create_database(self.template)
        url = PostgresUrl.parse(self.server.url(self.database))
        self.folder = TemporaryDirectory()
        file = Path(self.folder.name) / "mintgate.db"
        return [
            Driven(MemoryStore(self.clock), 3),
            Driven(SqliteStore.open(file, self.clock), 3),
            Driven(self.run(PostgresStore.open(url, self.clock)), 3),
        ]

    def teardown(self) -> None:
        """Close before the folder and the database go."""
        super().teardown()
        self.folder.cleanup()
        self.server.drop_database(self.database)


def test_ledger_does_what_the_model_says(run_seed: int) -> None:
    """Whatever happens in whatever order, answers and books are the model's after every step."""
    run_state_machine_as_test(
        seed(run_seed)(OneByOne),
        settings=settings(max_examples=100, stateful_step_count=40, deadline=None, print_blob=True),
    )


def test_batches_may_be_cut_anywhere(run_seed: int) -> None:
    """The same operations in other batches give the same answers and the same books."""
    run_state_machine_as_test(
        seed(run_seed)(Splits),
        settings=settings(max_examples=30, stateful_step_count=40, deadline=None, print_blob=True),
    )


def test_stores_do_not_differ(
    run_seed: int, postgres: PostgresServer, migrated_template: str
) -> None:
    """SQLite, PostgreSQL and the store in memory answer alike and keep the same books."""
    Stores.server, Stores.template = postgres, migrated_template
    run_state_machine_as_test(
        seed(run_seed)(Stores),
        settings=settings(max_examples=20, stateful_step_count=40, deadline=None, print_blob=True),
    )


def _books(store: object) -> object:
    assert isinstance(store, MemoryStore)
    return store.line_by_id, store.hold_by_id, store.entries, store.details, store.job_by_id
