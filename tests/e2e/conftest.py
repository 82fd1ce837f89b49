"""One fleet for the tests of this folder that need several cores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.buyer import Buyer
from tests.fleet import Fleet
from tests.harness import Installation
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.redis import RedisServer, running_redis


@dataclass(frozen=True)
class GivenFleet:
    """Two cores on servers that a test may stop; whoever breaks something mends it again."""

    fleet: Fleet
    postgres: PostgresServer
    redis: RedisServer
    left: Installation
    """Knows the first core only."""
    right: Installation
    """Knows the second core only."""
    both: Installation

    def doors(self, **options: Any) -> tuple[Buyer, Buyer]:
        """A new key, as a user of the left and of the right facade has it."""
        left = Buyer.mint(self.left, **options)
        return left, replace(left, gateway=self.right)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory, simulator_url: str) -> Iterator[GivenFleet]:
    """Started once: one worker runs all its tests. At the end the books are clean."""
    with running_postgres() as postgres, running_redis() as redis:
        fleet = Fleet(
            tmp_path_factory.mktemp("fleet"),
            postgres.url(postgres.create_database()),
            simulator_url,
            MINTGATE_REDIS_URL=redis.url,
        )
        left, right, both = fleet.facade(0), fleet.facade(1), fleet.facade(0, 1)
        with fleet:
            yield GivenFleet(fleet, postgres, redis, left, right, both)
            assert fleet.audit() == 0
