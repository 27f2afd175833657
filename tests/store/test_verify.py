# ruff: noqa: E501  (a problem a row)
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ctc_core.accounts import AccountRole
from ctc_core.errors import JournalError
from ctc_core.store import Report, Store, verify
from ctc_core.store.journal import Entry, Journal
from ctc_core.store.tags import Tag, Tagging
from ctc_core.types import Decision, Label

CELL, SECOND, THIRD = "C1-001-0100-0050", "C1-001-0101-0050", "C1-001-0102-0050"


@pytest.fixture
def desk(filled: Path) -> Iterator[Store]:
    """A store with cartridge C1, decisions d0 .. d29 on one cell and r1 on an event."""
    with Store.open(filled) as store:
        store.decide([Decision(f"d{i}", "C1", CELL, None, Label.CTC, "ann", "s1") for i in range(30)])
        store.decide([Decision("r1", "C1", None, "0", Label.CTC, "ann", "s1")])
        yield store


def change(store: Store, *statements: str) -> None:
    with store._database.write() as cur:
        for statement in statements:
            cur.execute(statement)


def test_a_sound_store(desk: Store, filled: Path) -> None:
    seq, head = desk.journal.head
    expected = Report((), entries=seq, head=head, decisions=31, cartridges=1, cells=3)
    assert verify(desk) == expected
    assert seq == 33
    desk.close()
    assert verify(filled) == expected
    assert expected.ok


@pytest.mark.parametrize(
    ("statement", "problems"),
    [
        ("DELETE FROM label_event WHERE id = 'd3'", ["Decision d3 is in the journal and not in the store."]),
        ("DELETE FROM review_event", ["Decision r1 is in the journal and not in the store."]),
        (
            "INSERT INTO label_event SELECT 'new', 99, * EXCLUDE (id, seq) FROM label_event WHERE id = 'd3'",
            ["Decision new is in the store and not in the journal."],
        ),
        (
            "UPDATE label_event SET label = 'unsure' WHERE id = 'd3'",
            ["Decision d3: label is 'unsure' in the store, 'ctc' in the journal."],
        ),
        (
            "UPDATE label_event SET reader = 'bob', session = 's2' WHERE id = 'd3'",
            [
                "Decision d3: reader is 'bob' in the store, 'ann' in the journal; session is 's2' in the store, 's1' in the journal."
            ],
        ),
        ("UPDATE patient SET role = 'test'", ["Patient P1: role is 'test' in the store, 'train' in the journal."]),
        ("INSERT INTO patient VALUES ('P2', 'test')", ["Patient P2 is in the store and not in the journal."]),
        (
            "UPDATE cartridge SET pseudonym = 'P2'",
            ["Cartridge C1: pseudonym is 'P2' in the store, 'P1' in its bundle."],
        ),
        ("DELETE FROM cartridge", ["Cartridge C1 is in its bundle and not in the store."]),
        (
            "UPDATE frame SET status = 'read', reason = NULL WHERE frame = 2",
            [
                "Frame C1 2: status is 'read' in the store, 'quarantined' in its bundle; reason is None in the store, 'no pages' in its bundle."
            ],
        ),
        (
            "UPDATE event SET assigned = true WHERE rid = '1'",
            ["Event C1 1: assigned is True in the store, False in its bundle."],
        ),
        ("DELETE FROM quarantined_event", ["Event set aside C1 bad no box is in its bundle and not in the store."]),
        (
            "UPDATE cell SET ck_mean = 7 WHERE crop_index = 2",
            [f"Cell {THIRD}: ck_mean is 7.0 in the store, 2.0 in its bundle."],
        ),
        (
            "DELETE FROM cell WHERE crop_index = 2",
            ["1 vectors in the store belong to no cell.", f"Cell {THIRD} is in its bundle and not in the store."],
        ),
        (
            "DELETE FROM embedding WHERE vector[1] = 2",
            [f"Vector of {THIRD} encoder-0 is in its bundle and not in the store."],
        ),
        (
            "INSERT INTO embedding SELECT cell_id, 'other', vector FROM embedding WHERE vector[1] = 2",
            [f"Vector of {THIRD} other is in the store and not in its bundle."],
        ),
        (
            "INSERT INTO quarantined_event VALUES ('C2', '1', 'so')",
            ["C2: in the store and not in the journal."],
        ),
        (
            "UPDATE journal_entry SET role = 'admin' WHERE seq = 33",
            ["Entry 33: role is 'admin' in the store, 'single-user' in the journal."],
        ),
        ("DELETE FROM journal_entry WHERE seq = 33", ["Entry 33 is in the journal and not in the store."]),
        (
            "CREATE OR REPLACE VIEW training_label AS SELECT * FROM current_label",
            ["The store's view training_label is not that of this version. Delete store.duckdb; it is filled again."],
        ),
        (
            "ALTER TABLE label_event ADD COLUMN sure BOOLEAN",
            ["The store's table label_event is not that of this version. Delete store.duckdb; it is filled again."],
        ),
    ],
)  # fmt: skip
def test_what_differs_in_the_database_is_named(desk: Store, statement: str, problems: list[str]) -> None:
    change(desk, statement)
    assert list(verify(desk).problems) == problems


def test_a_changed_vector_is_named(desk: Store) -> None:
    change(desk, "UPDATE embedding SET vector = [7.0 FOR i IN range(128)]::FLOAT[128] WHERE vector[1] = 1")
    (problem,) = verify(desk).problems
    assert problem.startswith(f"Vector of {SECOND} encoder-0: vector is (7.0, 7.0,")


def test_words_that_only_the_journal_keeps_are_compared_too(desk: Store) -> None:
    """A tag, an account, an answer or a signed report has no other row than the store's copy of its entry."""
    desk.tag([Tagging("t1", "C1", CELL, None, (Tag.APOPTOTIC,), "ann", "s1")])
    desk.set_account("eve@lab.example", AccountRole.READER, reader="ann", session="s1", reason="new", local=True)
    tagged, given = desk.journal.head[0] - 1, desk.journal.head[0]
    change(
        desk,
        f"UPDATE journal_entry SET new = '[]' WHERE seq = {tagged}",
        f"""UPDATE journal_entry SET new = '"admin"' WHERE seq = {given}""",
    )
    assert verify(desk).problems == (
        f"""Entry {tagged}: new is '[]' in the store, '["apoptotic"]' in the journal.""",
        f"""Entry {given}: new is '"admin"' in the store, '"reader"' in the journal.""",
    )


def test_many_differences_are_counted(desk: Store) -> None:
    change(desk, "DELETE FROM label_event")
    problems = verify(desk).problems
    assert len(problems) == 21
    assert problems[-1] == "... and 10 more of this kind."


# ---- the journal


def test_an_edited_journal_is_named(desk: Store, filled: Path) -> None:
    (path,) = desk.journal.files
    path.write_bytes(path.read_bytes().replace(b'"d7"', b'"d8"'))
    expected = f"{path.name}, line 10 (entry 10): the line was changed after it was written."
    assert verify(desk).problems[0].startswith(expected)
    desk.close()
    assert verify(filled).problems[0].startswith(expected)


def test_a_journal_cut_at_the_end_of_a_line_is_named(desk: Store, filled: Path) -> None:
    (path,) = desk.journal.files
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert verify(desk).problems == (
        "The journal ends at entry 32; the desk has written 33. Lines were removed.",
        "Entry 33 is in the store and not in the journal.",
        "Decision r1 is in the store and not in the journal.",
    )
    desk.close()
    assert verify(filled).problems[0].startswith("The journal ends at entry 32, the store has received 33; lines at")


@pytest.mark.parametrize(
    ("name", "place"), [("2020-01", "{own}, line 1: entry 1"), ("2199-01", "2199-01.jsonl, line 1: entry 1")]
)  # fmt: skip
def test_a_second_chain_beside_the_journal_is_named(desk: Store, filled: Path, name: str, place: str) -> None:
    """An older or a newer month with a journal of its own."""
    (path,) = desk.journal.files
    with Store.open(filled.with_name("elsewhere")) as other:
        other.set_account("eve@lab.example", AccountRole.ADMIN, reader="eve", session="s", reason="me", local=True)
        shutil.copy(other.journal.files[0], path.with_name(f"{name}.jsonl"))
    assert verify(desk).problems[0].startswith(place.format(own=path.name))
    desk.close()
    assert verify(filled).problems[0].startswith(place.format(own=path.name))


def test_a_journal_written_anew_is_known_by_a_hash_kept_elsewhere(desk: Store, filled: Path) -> None:
    seq, head = desk.journal.head
    assert verify(desk, [head, desk.audit(limit=5).hash[4]]).ok
    desk.close()
    shutil.rmtree(filled / "journal")
    (filled / "store.duckdb").unlink()
    with Store.open(filled) as forged:
        for _ in range(seq):
            forged.record_run("run", {}, {}, "none", "eve")
        assert verify(forged).ok
        assert verify(forged, [head]).problems == (
            f"{head}: no entry of the journal has this hash. It was rewritten or cut, or the hash is of another desk.",
        )


@pytest.mark.parametrize("change_file", [lambda path: os.truncate(path, 100), lambda path: path.unlink()])
def test_nothing_is_written_behind_a_journal_that_was_cut(desk: Store, change_file: Callable[[Path], None]) -> None:
    """A decision after the cut would be acknowledged, and refused with all others at the next start."""
    (path,) = desk.journal.files
    kept = path.read_bytes()
    change_file(path)
    with pytest.raises(JournalError, match="was cut or changed by another program; nothing was saved"):
        desk.decide([Decision("late", "C1", CELL, None, Label.CTC, "ann", "s1")])
    path.write_bytes(kept)
    assert desk.decide([Decision("late", "C1", CELL, None, Label.CTC, "ann", "s1")]) == ("late",)
    assert verify(desk).ok


def test_decisions_go_on_while_the_journal_is_read(desk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided meanwhile is no difference."""
    read, late = Journal.entries, Decision("late", "C1", SECOND, None, Label.CTC, "ann", "s1")

    def beside_a_reader(journal: Journal, sizes: dict[Path, int] | None = None) -> Iterator[Entry]:
        for entry in read(journal, sizes):
            if entry.seq == 5:
                reader = threading.Thread(target=desk.decide, args=([late],))
                reader.start()
                reader.join(20)
                assert not reader.is_alive()
            yield entry

    monkeypatch.setattr(Journal, "entries", beside_a_reader)
    found = verify(desk)
    assert (found.problems, found.entries) == ((), 33)
    assert desk.journal.head[0] == 34


# ---- files


def test_a_changed_bundle_is_named(desk: Store) -> None:
    (bundle,) = (desk.folder / "bundles").iterdir()
    (bundle / "cells.parquet").write_bytes(b"x")
    (problem,) = verify(desk).problems
    assert problem.startswith(f"{bundle}: cells.parquet was changed")
    shutil.rmtree(bundle)
    (problem,) = verify(desk).problems
    assert problem.startswith(f"{bundle}: not a bundle")


@pytest.mark.parametrize("name", ["vectors.npy", "crops.npy", "manifest.json"])
def test_a_flipped_byte_in_any_file_of_a_bundle_is_named(desk: Store, name: str) -> None:
    (bundle,) = (desk.folder / "bundles").iterdir()
    data = bytearray((bundle / name).read_bytes())
    data[-20] ^= 1
    (bundle / name).unlink()  # crops/ has the same file under another name
    (bundle / name).write_bytes(data)
    (problem,) = verify(desk).problems
    assert problem.startswith(f"{bundle}: ")


def test_a_manifest_made_to_fit_a_changed_file_is_named(desk: Store) -> None:
    """Another code version, which the id does not cover: the journal holds the hash of the manifest itself."""
    (bundle,) = (desk.folder / "bundles").iterdir()
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "code_version": "0"}))
    (problem,) = verify(desk).problems
    assert problem == f"{bundle}: not the bundle imported for cartridge C1. Restore it from a backup."


def test_two_bundles_that_were_swapped_are_named(desk: Store, make_bundle: Callable[..., Path]) -> None:
    desk.add_bundle(make_bundle("C2", cells=5))
    first, second = (desk.folder / "bundles" / id_ for id_ in desk.cartridges().sort_values("cartridge_id").bundle_id)
    aside = first.rename(first.with_name("aside"))
    second.rename(first)
    aside.rename(second)
    assert [problem.split(". ")[0] for problem in verify(desk).problems] == [
        f"{first}: not the bundle imported for cartridge C1",
        f"{second}: not the bundle imported for cartridge C2",
    ]
    crops, folder = desk.crops("C1").copy(), desk.folder
    desk.close()
    with Store.open(folder) as again:
        np.testing.assert_array_equal(again.crops("C1"), crops)
    (folder / "crops" / "C1.npy").unlink()
    with Store.open(folder) as again:
        assert again.problems[0].startswith("C1: its crops cannot be restored (")
        assert not (folder / "crops" / "C1.npy").exists()


def test_changed_and_missing_crops_are_named(desk: Store) -> None:
    path, other = desk.folder / "crops" / "C1.npy", desk.folder / "crops" / "C1.events.npy"
    path.unlink()
    np.save(path, np.ones((4, 3, 48, 48), np.uint8))
    other.unlink()
    assert verify(desk).problems == (
        f"{path}: not the crops of the bundle. Delete the file and open the store again; it is restored.",
        f"{other}: missing. Open the store again; it is restored.",
    )
