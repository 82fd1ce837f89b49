"""The record of what was received and sent."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
from mintgate_simulator import record as record_module
from mintgate_simulator.record import RECORDS_MAX, Body, Recorder

if TYPE_CHECKING:
    import pytest

    from tests.simulator.conftest import Simulator

CHAT = "/openai/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "café"}]}


def test_request_and_answer_are_recorded_exactly(sim: Simulator) -> None:
    """The record shows what arrived and gives back the exact bytes that left."""
    answer = sim.post(f"{CHAT}?a=b", BODY, "output=3")
    record = sim.last_record()
    sent = sim.http.get(f"{sim.url}/_sim/answers/{record['n']}").content

    assert (record["method"], record["path"], record["query"]) == ("POST", CHAT, "a=b")
    assert record["headers"]["x-simulate"] == "output=3"
    assert record["headers"]["authorization"] == "Bearer sk-any-key"
    assert "café" in record["body"]
    assert record["body_sha256"] == hashlib.sha256(answer.request.content).hexdigest()
    assert sent == answer.content
    assert record["response_sha256"] == hashlib.sha256(sent).hexdigest()
    assert record["response_bytes"] == len(sent)
    assert (record["status"], record["completed"], record["client_left"]) == (200, True, False)


def test_since_lists_only_what_is_newer(sim: Simulator) -> None:
    """``since`` is the number of the last record already seen."""
    sim.post(CHAT, BODY)
    seen = sim.last_record()["n"]
    sim.post(CHAT, BODY)
    newer = sim.http.get(f"{sim.url}/_sim/requests?since={seen}").json()

    assert [record["n"] for record in newer] == [seen + 1]


def test_clearing_forgets_and_numbers_go_on(sim: Simulator) -> None:
    """After DELETE the list is empty and the next record has the next number."""
    sim.post(CHAT, BODY)
    last = sim.last_record()["n"]
    sim.http.delete(f"{sim.url}/_sim/requests")

    assert sim.records() == []
    assert sim.http.get(f"{sim.url}/_sim/answers/{last}").status_code == 404
    sim.post(CHAT, BODY)
    assert [record["n"] for record in sim.records()] == [last + 1]


def test_inspection_is_not_recorded_and_unknown_paths_say_so(sim: Simulator) -> None:
    """Reading the record leaves it as it is; unknown paths are 404."""
    before = len(sim.records())

    assert sim.http.get(f"{sim.url}/_sim/nothing").status_code == 404
    assert sim.http.get(f"{sim.url}/_sim/requests?since=x").status_code == 400
    assert len(sim.records()) == before
    assert sim.http.get(f"{sim.url}/nobody/v1").status_code == 404


def test_ring_keeps_the_newest() -> None:
    """The ring holds a bounded number of records, the oldest leave first."""
    recorder = Recorder()
    for _ in range(RECORDS_MAX + 5):
        recorder.finish(recorder.begin("GET", "/", "", [], b"x"))

    numbers = [record.number for record in recorder.since(0)]
    assert numbers == list(range(6, RECORDS_MAX + 6))
    assert recorder.requests == RECORDS_MAX + 5


def test_long_body_is_kept_as_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its bound a body lets its bytes go and still knows hash and length."""
    monkeypatch.setattr(record_module, "KEPT_BYTES_PER_BODY_MAX", 10)
    body = Body()
    for piece in (b"12345", b"67890", b"abc", b"def"):
        body.add(piece)

    assert body.bytes_if_kept() is None
    assert body.length == 16
    assert body.sha256() == hashlib.sha256(b"1234567890abcdef").hexdigest()


def test_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound of all bodies together the oldest shrink to their hashes."""
    monkeypatch.setattr(record_module, "KEPT_BYTES_TOTAL_MAX", 25)
    recorder = Recorder()
    for _ in range(3):
        recorder.finish(recorder.begin("POST", "/", "", [], b"0123456789"))

    kept = [record.received.bytes_if_kept() for record in recorder.since(0)]
    assert kept == [None, b"0123456789", b"0123456789"]
    hashes = {record.received.sha256() for record in recorder.since(0)}
    assert hashes == {hashlib.sha256(b"0123456789").hexdigest()}


def test_command_line_announces_its_port() -> None:
    """``python -m mintgate_simulator`` on port 0 prints where it listens, and serves there."""
    command = [sys.executable, "-m", "mintgate_simulator", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on 127.0.0.1:")
            address = line.removeprefix("listening on ").strip()
            assert httpx.get(f"http://{address}/_sim/requests").json() == []
        finally:
            process.terminate()
