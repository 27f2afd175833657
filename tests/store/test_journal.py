import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ctc_core.errors import JournalError, StoreError
from ctc_core.store import Draft, Journal


def draft(number: int, **changes: object) -> Draft:
    fields = {"id": f"d{number}", "kind": "label", "reader": "ann", "session": "s1", "subject": "C1/a", "new": "ctc"}
    return Draft(**(fields | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of four entries."""
    journal = Journal(tmp_path / "journal")
    for number in range(1, 5):
        journal.append([draft(number)])
    return tmp_path / "journal"


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.jsonl")
    return path


def test_a_line_holds_everything_and_chains_to_the_one_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.head == (0, "0" * 64)
    before = datetime.now(UTC)
    journal.append([draft(1, old="ctc", new=None, reason="mis-click", role="expert")])
    journal.append([draft(2, reader="Zoë")])
    assert only_file(tmp_path).name == f"{before:%Y-%m}.jsonl"
    first, second = map(json.loads, only_file(tmp_path).read_text().splitlines())

    def expected_hash(line: dict[str, object]) -> str:
        text = json.dumps({k: v for k, v in line.items() if k != "hash"}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    assert first == {
        "seq": 1,
        "id": "d1",
        "time": first["time"],
        "kind": "label",
        "reader": "ann",
        "role": "expert",
        "session": "s1",
        "subject": "C1/a",
        "old": "ctc",
        "new": None,
        "reason": "mis-click",
        "why": "",
        "previous": "0" * 64,
        "hash": expected_hash(first),
    }
    assert len(first["time"]) == len("2026-11-23T03:25:10.123456+00:00")
    assert before <= datetime.fromisoformat(first["time"]) <= datetime.now(UTC)
    assert (second["seq"], second["reader"], second["previous"]) == (2, "Zoë", first["hash"])
    assert second["hash"] == expected_hash(second)
    assert journal.head == Journal(tmp_path).head == (2, second["hash"])


def test_entries_come_back_as_they_were_appended(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    written = journal.append([draft(1, new={"a": [1, 2.5, None]}), draft(2, reason='quote " and \n and \u2028')])
    assert list(Journal(tmp_path).entries()) == written


def test_the_chain_runs_on_from_month_to_month(folder: Path) -> None:
    only_file(folder).rename(folder / "2001-01.jsonl")
    Journal(folder).append([draft(5)])
    assert [path.name for path in Journal(folder).files] == ["2001-01.jsonl", f"{datetime.now(UTC):%Y-%m}.jsonl"]
    assert [entry.id for entry in Journal(folder).entries()] == ["d1", "d2", "d3", "d4", "d5"]
    (folder / "2001-01.jsonl").unlink()
    with pytest.raises(JournalError, match="line 1: entry 5 stands where entry 1 must follow"):
        Journal(folder)


def test_a_clock_that_goes_back_does_not_break_the_order(folder: Path) -> None:
    only_file(folder).rename(folder / "2999-12.jsonl")
    Journal(folder).append([draft(5)])
    assert [path.name for path in folder.glob("*.jsonl")] == ["2999-12.jsonl"]
    assert Journal(folder).head[0] == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda lines: [lines[0], lines[1].replace(b'"ctc"', b'"non-ctc"'), *lines[2:]],
            r"line 2 \(entry 2\).*changed",
        ),
        (
            lambda lines: [lines[0], lines[1].replace(b'"hash":"', b'"hash": "'), *lines[2:]],
            r"line 2 \(entry 2\).*changed",
        ),
        (lambda lines: [lines[0], b"{}\n", *lines[2:]], r"line 2 \(entry 2\).*changed"),
        (lambda lines: [lines[0], b"\x00\xff\n", *lines[2:]], r"line 2 \(entry 2\).*changed"),
        (lambda lines: [lines[0], b"[1]\n", *lines[2:]], r"line 2 \(entry 2\).*changed"),
        (lambda lines: [lines[0], b"\n", *lines[1:]], r"line 2 \(entry 2\).*changed"),
        (lambda lines: [lines[0], *lines[2:]], "line 2: entry 3 stands where entry 2 must follow"),
        (lambda lines: lines[1:], "line 1: entry 2 stands where entry 1 must follow"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "line 2: entry 3 stands where entry 2 must follow"),
        (lambda lines: [*lines, lines[3]], "line 5: entry 4 stands where entry 5 must follow"),
    ],
)
def test_changed_lines_are_named(folder: Path, change: object, message: str) -> None:
    path = only_file(folder)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(JournalError, match=rf"{path.name}, {message}"):
        Journal(folder)


def test_a_line_written_anew_with_its_own_hash_breaks_the_next(folder: Path) -> None:
    path = only_file(folder)
    lines = path.read_text().splitlines(keepends=True)
    content = json.loads(lines[1]) | {"new": "non-ctc"}
    del content["hash"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    lines[1] = f'{{"hash":"{hashlib.sha256(text.encode()).hexdigest()}",{text[1:]}\n'
    path.write_text("".join(lines))
    with pytest.raises(JournalError, match="line 3: entry 3"):
        Journal(folder)


@pytest.mark.parametrize("torn", [b'{"hash":"12', b"\0" * 30, b"{}"])
def test_a_torn_last_line_is_kept_aside(folder: Path, torn: bytes) -> None:
    path = only_file(folder)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    journal = Journal(folder)
    assert journal.torn is not None
    assert journal.torn.read_bytes() == torn
    assert (path.read_bytes(), journal.head[0]) == (whole, 4)
    journal.append([draft(5)])
    assert Journal(folder).head[0] == 5
    assert Journal(folder).torn is None


def test_a_line_that_lacks_only_its_newline_was_not_acknowledged(folder: Path) -> None:
    path = only_file(folder)
    path.write_bytes(path.read_bytes()[:-1])
    assert Journal(folder).head[0] == 3


@pytest.mark.parametrize("function", ["write", "fdatasync"])
def test_what_a_full_disk_cut_short_is_taken_back(folder: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    journal, before = Journal(folder), only_file(folder).read_bytes()
    real = os.write

    def full(descriptor: int, data: bytes = b"") -> int:
        if len(data) > 20:
            return real(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, full)
        with pytest.raises(JournalError, match=r"cannot be written .*No space left.*Make room"):
            journal.append([draft(5), draft(6)])
    assert only_file(folder).read_bytes() == before
    journal.append([draft(7)])
    assert [entry.id for entry in Journal(folder).entries()] == ["d1", "d2", "d3", "d4", "d7"]


def test_a_write_that_cannot_be_taken_back_stops_the_journal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(folder)

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(JournalError):
            journal.append([draft(5)])
    with pytest.raises(JournalError, match="Restart the desk"):
        journal.append([draft(6)])


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "x" * 4001])
def test_texts_that_the_store_could_not_keep_are_refused(text: str) -> None:
    with pytest.raises(StoreError, match="label 'C1/a': a text has more than 4000 characters or is no valid text"):
        draft(1, reason=text)


def test_an_interruption_after_the_write_stops_the_journal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, real = Journal(folder), os.close

    def interrupted(descriptor: int) -> None:
        real(descriptor)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append([draft(5)])
    with pytest.raises(JournalError, match="Restart the desk"):
        journal.append([draft(6)])
    assert [entry.id for entry in Journal(folder).entries()] == ["d1", "d2", "d3", "d4", "d5"]
