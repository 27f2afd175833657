"""What a power cut leaves at the journal's end, told apart from what somebody changed; lines of older versions."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from ctc_core.errors import DecisionRefused, JournalError
from ctc_core.store import Draft, Journal, Store
from ctc_core.types import Decision, Label


def draft(number: int) -> Draft:
    return Draft(id=f"d{number}", kind="label", reader="ann", session="s1", subject="C1/a", new="ctc", reason="why not")


def journal_of(folder: Path, *batches: int) -> Path:
    """One batch of so many entries after another; the file."""
    journal, number = Journal(folder), 0
    for count in batches:
        journal.append([draft(number + i) for i in range(count)])
        number += count
    (path,) = journal.files
    return path


def zero(path: Path, start: int, end: int) -> bytes:
    content = path.read_bytes()
    path.write_bytes(content[:start] + bytes(end - start) + content[end:])
    return content


@pytest.mark.parametrize("unwritten", [(0, 1), (1, 3), (2, 4), (0, 4)])
def test_unwritten_sectors_of_the_last_batch_are_set_aside(tmp_path: Path, unwritten: tuple[int, int]) -> None:
    path = journal_of(tmp_path, 3, 20)
    old_end = sum(len(line) for line in path.read_bytes().splitlines(keepends=True)[:3])
    first = -(-old_end // 512) * 512
    start, end = first + 512 * (unwritten[0] - 1), first + 512 * unwritten[1]
    content = zero(path, max(start, old_end), end)
    journal = Journal(tmp_path)
    assert 3 <= journal.head[0] < 23
    assert content.startswith(path.read_bytes())
    assert journal.torn is not None
    assert len(path.read_bytes()) + journal.torn.stat().st_size == len(content)
    journal.append([draft(99)])
    assert Journal(tmp_path).torn is None


def test_a_file_lengthened_and_never_written_is_emptied(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 2)
    path.write_bytes(bytes(4096))
    assert Journal(tmp_path).head[0] == 0


@pytest.mark.parametrize("position", [511, 512, 700, 1023])
def test_one_zero_byte_is_no_power_cut(tmp_path: Path, position: int) -> None:
    path = journal_of(tmp_path, 3, 20)
    zero(path, position, position + 1)
    with pytest.raises(JournalError, match=r"entry \d\): the line was changed"):
        Journal(tmp_path)


@pytest.mark.parametrize("missing", [("role", "why"), ("why",)])
def test_lines_from_before_roles_and_reasons_were_kept_stay_valid(tmp_path: Path, missing: tuple[str, ...]) -> None:
    path = journal_of(tmp_path, 1)
    content = json.loads(path.read_text())
    assert [content.pop(name) for name in missing] == [""] * len(missing)
    del content["hash"]
    rest = json.dumps(content, sort_keys=True, separators=(",", ":"))
    path.write_text(f'{{"hash":"{hashlib.sha256(rest.encode()).hexdigest()}",{rest[1:]}\n')
    assert [(entry.id, entry.role) for entry in Journal(tmp_path).entries()] == [("d0", "")]
    Journal(tmp_path).append([draft(1)])
    assert [entry.id for entry in Journal(tmp_path).entries()] == ["d0", "d1"]


def test_the_journal_is_on_disk_before_the_store_is_touched(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_sync, wal = os.fdatasync, filled / "store.duckdb.wal"

    def sync(descriptor: int) -> None:
        order.append(f"journal with a log of {wal.stat().st_size if wal.exists() else 0}")
        real_sync(descriptor)

    with Store.open(filled) as store:
        before = wal.stat().st_size if wal.exists() else 0
        monkeypatch.setattr(os, "fdatasync", sync)
        store.decide([Decision("d1", "C1", "C1-001-0100-0050", None, Label.CTC, "ann", "s1")])
        assert order == [f"journal with a log of {before}"]
        assert wal.stat().st_size > before


def test_removed_months_are_named(filled: Path) -> None:
    """The first month: the chain says so. The last one: the store has received more."""
    (path,) = (filled / "journal").glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    first, last = filled / "journal" / "2001-01.jsonl", filled / "journal" / "2001-02.jsonl"
    last.write_bytes(b"".join(lines[1:]))
    with pytest.raises(JournalError, match=r"2001-02.jsonl, line 1: entry 2 stands where entry 1 must follow"):
        Store.open(filled)
    first.write_bytes(lines[0])
    Store.open(filled).close()
    last.unlink()
    with pytest.raises(JournalError, match=r"ends at entry 1, the store has received 2; lines at its end were removed"):
        Store.open(filled)


def test_a_decision_about_a_lost_cartridge_waits_and_one_about_nothing_does_not(filled: Path) -> None:
    (bundle,) = (filled / "bundles").iterdir()
    bundle.rename(filled / "elsewhere")
    (filled / "store.duckdb").unlink()
    sent = Decision("d1", "C1", "C1-001-0100-0050", None, Label.CTC, "ann", "s1")
    with Store.open(filled) as store:
        with pytest.raises(Exception, match="its cartridge is not in the store at present") as lost:
            store.decide([sent])
        assert not isinstance(lost.value, DecisionRefused)
        with pytest.raises(DecisionRefused, match="no such cell"):
            store.decide([Decision("d2", "C9", "C9-001-0100-0050", None, Label.CTC, "ann", "s1")])
    (filled / "elsewhere").rename(bundle)
    with Store.open(filled) as store:
        assert store.decide([sent]) == ("d1",)
