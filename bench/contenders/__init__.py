"""Who is compared. Each file starts one kind of contender and says what it is."""

from __future__ import annotations

from bench.contenders.base import Contender
from bench.contenders.litellm import LITELLM, LITELLM_TUNED
from bench.contenders.mintgate import MINTGATE_POSTGRES, MINTGATE_SQLITE
from bench.contenders.plain import DIRECT, NGINX
from bench.contenders.portkey import PORTKEY
from bench.contenders.python import PYTHON

CONTENDERS: tuple[Contender, ...] = (
    DIRECT,
    NGINX,
    PYTHON,
    MINTGATE_SQLITE,
    MINTGATE_POSTGRES,
    LITELLM,
    LITELLM_TUNED,
    PORTKEY,
)
"""In the order of a round; the direct call first, since the others are compared with it."""

OURS = frozenset({MINTGATE_SQLITE.name, MINTGATE_POSTGRES.name})
"""The names of Mintgate's."""

BY_NAME = {contender.name: contender for contender in CONTENDERS}

NOT_HERE = {
    "Bifrost": "its npm package downloads the program from another host when it is first run",
    "otari": "its package in the registry has no gateway in it",
    "any-llm": "its package in the registry has no gateway in it",
}
"""Gateways that no registry gives a runnable copy of, and why they are not compared."""
