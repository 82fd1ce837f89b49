"""One running Node program an SDK, and one key a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.sdk_node.node import Node, running_node
from tests.users import buyer, no_minted_key_leaves, upstream

__all__ = ["buyer", "no_minted_key_leaves", "programs", "upstream"]

Programs = Callable[..., Node]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Starts a program when it is first asked for, by its file and arguments."""
    started: dict[tuple[str, ...], Node] = {}
    with ExitStack() as stack:

        def program(*command: str) -> Node:
            if command not in started:
                directory = tmp_path_factory.mktemp("node")
                started[command] = stack.enter_context(running_node(directory, *command))
            return started[command]

        yield program
