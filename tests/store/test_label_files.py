"""Labels as CSV files, there and back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from ctc_core.errors import UserError
from ctc_core.label_files import COLUMNS, BadRow, ImportReport, export_labels, import_labels
from ctc_core.store import Store, verify
from ctc_core.types import Decision, Label, Role

MakeBundle = Callable[..., Path]
A, B, C = (f"C1-001-{100 + i:04d}-0050" for i in range(3))
D = "C2-001-0100-0050"


@pytest.fixture
def desk(store: Store, make_bundle: MakeBundle) -> Iterator[Store]:
    """Cartridges C1 (training) and C2 (test): cell i in frame 1 at y = 100 + i, x = 50."""
    for pseudonym, role in (("P1", Role.TRAIN), ("P2", Role.TEST)):
        store.add_patient(pseudonym, role, "ann", "s1")
    store.add_bundle(make_bundle("C1", "P1"))
    store.add_bundle(make_bundle("C2", "P2"))
    return store


def say(store: Store, cell_id: str, label: Label | None, reader: str = "ann", reason: str = "", why: str = "") -> None:
    id_ = f"{reader}-{store.journal.head[0]}"
    store.decide([Decision(id_, cell_id.split("-")[0], cell_id, None, label, reader, "s1", reason, why=why)])


def said(store: Store) -> list[tuple[str, str, str, str]]:
    columns = ["cell_id", "reader", "label", "reason"]
    return [tuple(row) for row in store.label_table()[columns].to_numpy().tolist()]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_there_and_back(desk: Store, tmp_path: Path, make_bundle: MakeBundle) -> None:
    reasons = {A: '=SUM(1,2) "quoted"', B: "two\r\nlines", C: "'tis \u2028 ä", D: "'=x"}
    for cell_id, reason in reasons.items():
        say(desk, cell_id, Label.CTC, reason=reason)
    say(desk, A, Label.UNSURE, "bob")
    say(desk, B, Label.ARTIFACT, "bob")
    say(desk, B, None, "bob")
    path = tmp_path / "labels.csv"
    assert export_labels(desk, path) == 5
    table = pd.read_csv(path)
    assert tuple(table.columns) == COLUMNS
    assert table.iloc[0, :6].tolist() == ["C1", A, 1, 100.0, 50.0, "ctc"]
    assert table.reason.iloc[0] == '\'=SUM(1,2) "quoted"'  # no formula for a spreadsheet
    assert import_labels(desk, path, reader="eva") == ImportReport(5, 0, 5, ())
    with Store.open(tmp_path / "other") as other:
        for pseudonym in ("P1", "P2"):
            other.add_patient(pseudonym, Role.TRAIN, "ann", "s1")
        for cartridge_id, pseudonym in (("C1", "P1"), ("C2", "P2")):
            other.add_bundle(make_bundle(cartridge_id, pseudonym))
        assert import_labels(other, path, reader="eva") == ImportReport(5, 5, 0, ())
        assert import_labels(other, path, reader="eva") == ImportReport(5, 0, 5, ())
        assert said(other) == said(desk)
        assert said(other)[0] == (A, "ann", "ctc", reasons[A])
        assert set(other.audit(5).session) == {"import labels.csv by eva"}
        assert verify(other).ok


def test_cells_are_found_by_their_place(desk: Store, tmp_path: Path) -> None:
    path = write(
        tmp_path / "labels.csv",
        "Cartridge_ID;Frame;Y;X;Label;Reader",
        "C1;1;100.4;50.2;CTC;",
        "C1;1;102;57;Non-CTC;bob",  # 7 pixels are 4.48 um
        "C2;1;100;50;artifact;bob",
    )
    assert import_labels(desk, path, reader="eva") == ImportReport(3, 3, 0, ())
    assert said(desk) == [(A, "eva", "ctc", ""), (C, "bob", "non-ctc", ""), (D, "bob", "artifact", "")]
    report = import_labels(desk, path, reader="eva", tolerance_um=2)
    assert report.bad == (BadRow(3, "no cell within 2 um of y 102, x 57 in frame 1"),)


BAD = (
    "cartridge_id,cell_id,frame,y,x,label,reader,reason",
    f"C1,{A},,,,ctc,ann,good",
    f"C1,{B},,,,maybe,ann,",
    "C1,C1-001-0999-0050,,,,ctc,ann,",
    f"C2,{C},,,,ctc,ann,",
    "C1,,1,100,nan,ctc,ann,",
    "C1,,2,100,50,ctc,ann,",
    "C1,,one,100,50,ctc,ann,",
    "C9,,1,100,50,ctc,ann,",
    f'C1,{A},,,,unsure,ann,"two',
    'lines"',
    f"C1,{C},,,,ctc",
    "",
    f"C1,{C},,,,ctc,ann,{'x' * 4001}",
    f"C1,{B},,,,ctc,bob,good too",
    f"C1,{A},,,,ctc,ann,good",
)
PROBLEMS = (
    BadRow(3, "'maybe' is no label; use ctc, non-ctc, unsure, artifact"),
    BadRow(4, "no cell 'C1-001-0999-0050' in the store"),
    BadRow(5, f"cell {C} is of cartridge C1, not of 'C2'"),
    BadRow(6, "no cell within 5 um of y 100, x nan in frame 1"),
    BadRow(7, "no cell within 5 um of y 100, x 50 in frame 2"),
    BadRow(8, "neither a cell_id nor a frame, y and x as numbers"),
    BadRow(9, "no cells of a cartridge 'C9' in the store"),
    BadRow(10, f"ann says something else about cell {A} in an earlier line"),
    BadRow(12, "6 fields, the heading has 8"),
    BadRow(14, "a reason of more than 4000 or a reader of more than 200 characters, or no text"),
)


def test_bad_rows_are_named_by_line_and_keep_the_others_out(desk: Store, tmp_path: Path) -> None:
    path, head = write(tmp_path / "labels.csv", *BAD), desk.journal.head
    assert import_labels(desk, path, reader="eva") == ImportReport(13, 0, 0, PROBLEMS)
    assert desk.journal.head == head
    assert import_labels(desk, path, reader="eva", partial=True) == ImportReport(13, 2, 0, PROBLEMS)
    assert said(desk) == [(A, "ann", "ctc", "good"), (B, "bob", "ctc", "good too")]


def test_what_a_reader_said_since_is_not_overwritten_by_the_same_file(desk: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv", "cell_id,label,reader", f"{A},ctc,ann")
    import_labels(desk, path, reader="eva")
    say(desk, A, Label.NON_CTC, why="looked again")
    assert import_labels(desk, path, reader="eva") == ImportReport(1, 0, 1, ())
    assert said(desk) == [(A, "ann", "non-ctc", "")]


def test_a_file_changes_labels_with_a_reason_only(desk: Store, tmp_path: Path) -> None:
    for cell_id in (A, B):
        say(desk, cell_id, Label.NON_CTC)
    path = write(tmp_path / "labels.csv", "cell_id,label,reader,reason", f"{A},ctc,ann,", f"{B},ctc,ann,seen again")
    silent = BadRow(2, f"changes what ann says of cell {A}, which is non-ctc, and gives no reason")
    assert import_labels(desk, path, reader="eva", partial=True) == ImportReport(2, 1, 0, (silent,))
    assert import_labels(desk, path, reader="eva", why="list of 3 March") == ImportReport(2, 1, 1, ())
    assert desk.audit(2).why.tolist() == ["list of 3 March", "seen again"]


@pytest.mark.parametrize(
    "content", [b"", b"cell_id,reader\n", b"label\nctc\n", b"cartridge_id,frame,y,label\n", b"\xff\xfe\x00", None]
)
def test_what_is_no_file_of_labels(desk: Store, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"labels\.csv: (needs the columns|not a CSV file)"):
        import_labels(desk, path, reader="eva")


def test_an_empty_store_and_an_empty_file(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    assert export_labels(store, path) == 0
    assert path.read_text() == ",".join(COLUMNS) + "\n"
    assert import_labels(store, path, reader="eva") == ImportReport(0, 0, 0, ())
    with pytest.raises(UserError, match="cannot be written"):
        export_labels(store, tmp_path / "nowhere" / "labels.csv")
