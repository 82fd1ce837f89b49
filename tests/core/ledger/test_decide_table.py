"""Runs decide_rules.txt: a state, what is asked, what is answered, what changes.

Fitted limits have a table of their own in test_fit.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from mintgate_core.ledger import Books, decide
from mintgate_core.ledger.errors import Denied, LedgerError
from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Expired,
    Extend,
    Extended,
    Grant,
    Granted,
    HoldToken,
    Operation,
    Postponed,
    Progress,
    Progressed,
    Release,
    Released,
    RenewedJob,
    RenewJob,
    Reserve,
    Reserved,
    Settle,
    Settled,
    StartedJob,
    StartJob,
)
from mintgate_core.ledger.types import (
    Account,
    Entry,
    Hold,
    HoldJob,
    Job,
    JournalKind,
    KeyStatus,
    Line,
    LineKind,
    SettledBy,
    Subject,
)
from mintgate_core.stores.conformance.builders import build_key, measured, settling, stated

NOW_MS = 1_000_000
WALLET, OTHER_WALLET, NO_WALLET, KEY_LINE = 1, 2, 3, 4
H = b"H" * 16
SECRET = b"s" * 32
SUBJECT = Subject("K", "acc", "openai", "gpt", "chat", "req", "card-1")
TOKEN = HoldToken(H, WALLET, (KEY_LINE,), 100, SUBJECT)
WALLETS = {"": WALLET, " by another wallet": OTHER_WALLET, " by no wallet": NO_WALLET}


@dataclass
class Rule:
    """One rule as it stands in the file."""

    text: str
    given: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def rules() -> Iterator[Rule]:
    """Read the file."""
    text = Path(__file__).with_name("decide_rules.txt").read_text(encoding="utf-8")
    for block in text.split("\n\n")[2:]:
        first, *lines = block.strip("\n").split("\n")
        if first.startswith("#"):
            continue
        rule = Rule(first)
        for line in map(str.strip, lines):
            head, rest = re.split(r"\s{2,}", line, maxsplit=1)
            if head == "given":
                rule.given = rest.split(", ")
            elif head == "=":
                rule.after = [] if rest == "nothing" else rest.split("; ")
            else:
                rule.asked.append((head, rest))
        yield rule


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.text)
def test_rule(rule: Rule) -> None:
    """The rule holds: answers, both lines alike, the hold, the journal, and nothing else."""
    books = given(rule.given)
    before = repr(books)
    seq = books.lines[WALLET].seq
    answers = decide(books, [operation(text) for text, _ in rule.asked])
    assert [brief(answer) for answer in answers] == [text for _, text in rule.asked]
    assert after(books) == rule.after
    assert [entry.seq for entry in books.new_entries] == [
        seq + number for number in range(1, len(books.new_entries) + 1)
    ]
    if all(isinstance(answer, LedgerError) for answer in answers):
        assert repr(books) == before, "what is refused writes nothing"


def given(words: list[str]) -> Books:
    """The books that a rule starts from, as a store would have loaded them."""
    amounts = {"granted": 1_000, "cap": 500, "reported": 0}
    held = spent = 0
    hold: Hold | None = None
    entries: dict[bytes, dict[JournalKind, Entry]] = {}
    key: dict[str, Any] = {"key_id": "K", "line_ids": (KEY_LINE,), "secret_sha256": SECRET}
    due = "due" in words
    for word in words:
        name, _, rest = word.partition(" ")
        if name == "hold":
            hold = _hold(int(rest), due=due)
            held += int(rest)
        elif name == "others":
            other_held, spent = map(int, rest.split("+"))
            held += other_held
        elif name == "was":
            entry = _past(rest)
            entries[H] = {entry.kind: entry}
        elif name == "key":
            key |= _key(rest)
        elif name not in ("due", "job", "last"):
            amounts[name] = UNLIMITED if rest == "unlimited" else int(rest)
    jobs: dict[bytes, Job] = {}
    if hold:
        hold.metered = measured(amounts["reported"])
        if "job" in words:
            hold.job = HoldJob.LAST_LOOK if "last look" in words else HoldJob.ALIVE
            jobs[H] = _job(hold)
    granted, cap = amounts["granted"], amounts["cap"]
    account = Account("acc", "tenant", WALLET, postpaid=False, created_at_ms=0)
    lines = (
        Line(WALLET, WALLET, LineKind.WALLET, granted, granted, held, spent, seq=7),
        Line(OTHER_WALLET, OTHER_WALLET, LineKind.WALLET, 1_000, 1_000),
        Line(KEY_LINE, WALLET, LineKind.KEY_CAP, cap, max(cap, held + spent), held, spent),
    )
    return Books(
        now_ms=NOW_MS,
        lines={line.line_id: line for line in lines},
        keys={"K": build_key(account, **key)},
        holds={H: hold} if hold else {},
        entries=entries,
        jobs=jobs,
    )


def _job(hold: Hold) -> Job:
    """A job that was started with the hold and claimed twice."""
    started_ms, deadline_ms = hold.reserved_at_ms, hold.expires_at_ms
    return Job(
        *(H, WALLET, "surface", "batch", "B", b"", NOW_MS),
        attempt=2,
        created_at_ms=started_ms,
        deadline_ms=deadline_ms,
    )


def _hold(amount: int, *, due: bool) -> Hold:
    return Hold(
        hold_id=H,
        wallet_id=WALLET,
        line_ids=(KEY_LINE,),
        subject=SUBJECT,
        amount_nano_usd=amount,
        worst_nano_usd=amount,
        output_tokens=0,
        fitted=False,
        reserved_at_ms=NOW_MS - 1_000,
        expires_at_ms=NOW_MS if due else NOW_MS + 1_000,
    )


def _past(text: str) -> Entry:
    kind, held, _, actual = text.split()
    cost = int(actual)
    kind_of = JournalKind[kind.upper()]
    return Entry(H, kind_of, WALLET, 7, "K", (KEY_LINE,), 0, int(held), cost, cost, 0, NOW_MS - 500)


def _key(text: str) -> dict[str, Any]:
    match text.split():
        case ["of", "another", "wallet"]:
            return {"wallet_id": OTHER_WALLET}
        case ["expires", "in", ms]:
            return {"expires_at_ms": NOW_MS + int(ms)}
        case ["allowed_providers" | "allowed_models" as name, *allowed]:
            return {name: tuple(allowed)}
        case [status]:
            return {"status": KeyStatus[status.upper()]}
    raise ValueError(text)


def operation(text: str) -> Operation:
    """What a rule asks for."""
    by = next((words for words in WALLETS if words and text.endswith(words)), "")
    wallet_id = WALLETS[by]
    name, *words = text.removesuffix(by).split()
    match name:
        case "reserve":
            return _reserve(int(words[0]), dict(word.split("=") for word in words[1:]))
        case "settle" if words == ["whole"]:
            return settling(TOKEN, 0, SettledBy.HOLD)
        case "settle":
            settle: Settle = settling(TOKEN, int(words[0]))
            return settle
        case "extend":
            return Extend(H, wallet_id, int(words[0]))
        case "progress":
            ttl_ms = int(words[1].removeprefix("ttl="))
            return Progress(H, wallet_id, measured(int(words[0])), ttl_ms)
        case "grant":
            return Grant(H, wallet_id, int(words[0]))
        case "release":
            return Release(H, wallet_id)
        case "expire":
            return Expire(H, wallet_id)
        case "start" | "renew":
            return _of_job(words, wallet_id)
    raise ValueError(text)


def _of_job(words: list[str], wallet_id: int) -> Operation:
    which, cost, *times = words
    ms = {name: int(text) for name, text in (time.split("=") for time in times)}
    if "poll" in ms:
        renewal = RenewJob(H, wallet_id, int(which), ms["poll"], ms["ttl"])
        return replace(renewal, measured=measured(int(cost)))
    start = StartJob(H, wallet_id, "surface", "batch", which, ttl_ms=ms["ttl"])
    return replace(start, measured=measured(int(cost)))


def _reserve(amount: int, fields: dict[str, str]) -> Reserve:
    shown = {"own": SECRET, "other": b"x" * 32}.get(fields.pop("secret", ""))
    subject = replace(SUBJECT, **fields)
    return Reserve(H, WALLET, subject, stated(amount), secret_sha256=shown)


def after(books: Books) -> list[str]:
    """What is there afterwards, as a rule writes it."""
    wallet, key = ((line.held, line.spent) for line in (books.lines[WALLET], books.lines[KEY_LINE]))
    assert wallet == key, "both lines move alike"
    words = [f"lines {wallet[0]}+{wallet[1]}"] if any(wallet) else []
    if hold := books.holds.get(H):
        words.append(f"hold {hold.amount_nano_usd}")
    assert (H in books.jobs) == (hold is not None and hold.job is not HoldJob.NONE)
    if job := books.jobs.get(H):
        words.append(f"job to {job.deadline_ms - NOW_MS}, due in {job.due_at_ms - NOW_MS}")
    for entry in books.new_entries:
        assert entry.charged + entry.absorbed == entry.actual
        absorbed = f", absorbed {entry.absorbed}" if entry.absorbed else ""
        granted = entry.kind is JournalKind.GRANT
        amounts = entry.granted if granted else f"{entry.held} -> {entry.actual}{absorbed}"
        words.append(f"{entry.kind.name.lower()} {amounts}")
    return words


def brief(answer: Answer) -> str:
    """An answer, as a rule writes it."""
    match answer:
        case Reserved():
            return f"held {answer.token.amount_nano_usd}, {answer.remaining_nano_usd} left"
        case Extended():
            return f"extended to {answer.amount_nano_usd}"
        case Progressed():
            ttl_ms = answer.expires_at_ms - NOW_MS
            return f"reported {answer.metered_nano_usd}, expires in {ttl_ms}"
        case Settled():
            late = ", late" if answer.late else ""
            charge = f"charged {answer.charged_nano_usd} of {answer.actual_nano_usd}"
            return f"{charge}{late}, {answer.remaining_nano_usd} left"
        case Released():
            return f"released {answer.amount_nano_usd}"
        case Expired():
            return f"expired, charged {answer.charged_nano_usd}"
        case Granted():
            return f"balance {answer.balance_nano_usd}"
        case Denied():
            numbers = f"needs {answer.required_nano_usd}, has {answer.remaining_nano_usd}"
            return f"{type(answer).__name__}: {numbers}"
        case LedgerError():
            return f"{type(answer).__name__} {answer.field}".strip()
    return _brief_job(answer)


def _brief_job(answer: StartedJob | RenewedJob | Postponed) -> str:
    match answer:
        case StartedJob():
            return f"started, ends in {answer.deadline_ms - NOW_MS}"
        case RenewedJob():
            due_ms, ends_ms = answer.due_at_ms - NOW_MS, answer.deadline_ms - NOW_MS
            return (
                f"renewed, reported {answer.metered_nano_usd}, due in {due_ms}, ends in {ends_ms}"
            )
        case Postponed():
            return f"postponed by {answer.expires_at_ms - NOW_MS}"
