"""Nothing half written, nothing overwritten, and a sentence for each refusal."""

from pathlib import Path

import pytest

from ctc_core.errors import UserError
from ctc_core.exports.files import MARK, refuse_existing, refuse_folder, whole_file, whole_folder
from ctc_core.exports.names import FORMATS, Format
from ctc_core.exports.write import export
from ctc_core.store import Store
from tests.commands import run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_while_writing(path: Path) -> None:
    with whole_file(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def fail_while_filling(folder: Path) -> None:
    with whole_folder(folder) as partial:
        (partial / MARK).write_text("2")
        raise KeyboardInterrupt


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        fail_while_writing(path)
    assert (path.read_text(), names(tmp_path)) == ("before", ["a.txt"])
    with whole_file(path) as partial:
        partial.write_text("after")
    assert (path.read_text(), names(tmp_path)) == ("after", ["a.txt"])


def test_a_folder_is_whole_or_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with whole_folder(folder) as partial:
        (partial / MARK).write_text("1")
    with pytest.raises(KeyboardInterrupt):
        fail_while_filling(folder)
    assert ((folder / MARK).read_text(), names(tmp_path)) == ("1", ["f"])
    with whole_folder(folder) as partial:
        (partial / MARK).write_text("3")
    assert ((folder / MARK).read_text(), names(tmp_path)) == ("3", ["f"])


def test_a_disk_that_refuses_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"), whole_file(tmp_path / "file" / "out.csv") as partial:
        partial.write_text("x")


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(UserError, match=r"out.csv: is there already. Give another name, or --force to replace it."):
        refuse_existing([tmp_path / "out.csv"], force=False)
    refuse_existing([tmp_path / "out.csv", tmp_path / "new.csv"], force=True)
    with pytest.raises(UserError, match=r"is a folder. Give the name of a file in it."):
        refuse_existing([tmp_path], force=True)
    with pytest.raises(UserError, match=r"holds other files. Give a new folder."):
        refuse_folder(tmp_path, force=True)
    with pytest.raises(UserError, match=r"is a file. Give the name of a new folder."):
        refuse_folder(tmp_path / "out.csv", force=True)
    (tmp_path / MARK).write_text("{}")
    with pytest.raises(UserError, match=r"holds an earlier export. Give a new folder, or --force to replace it."):
        refuse_folder(tmp_path, force=False)
    refuse_folder(tmp_path, force=True)
    refuse_folder(tmp_path / "new", force=False)


@pytest.mark.parametrize("form", [Format.PARQUET, Format.CSV, Format.H5AD, Format.GEOJSON, Format.OME_TIFF])
def test_every_format_asks_before_it_replaces(store: Store, tmp_path: Path, form: Format) -> None:
    out = tmp_path / "out.x"
    out.write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        export(store, "R1", form, out, threshold=0.5)
    assert (out.read_text(), names(tmp_path / ".")) == ("mine", sorted({"out.x", *names(tmp_path)}))
    export(store, "R1", form, out, threshold=0.5, force=True)
    assert out.read_bytes() != b"mine"


def test_the_same_store_gives_the_same_files(store: Store, tmp_path: Path) -> None:
    for form in (Format.PARQUET, Format.CSV, Format.H5AD, Format.GEOJSON):
        first, second = tmp_path / f"1.{form}", tmp_path / f"2.{form}"
        for out in (first, second):
            export(store, "R1", form, out, threshold=0.5)
        assert first.read_bytes() == second.read_bytes(), form


def test_every_format_says_what_it_is() -> None:
    assert FORMATS.keys() == set(Format)


def test_the_command(capsys: pytest.CaptureFixture[str], mapped_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "r1.csv"
    words = ["export", "R1", "--format", "csv", "--out", str(out), "--cells", "candidates", "--threshold", "0.9"]
    found = run(capsys, mapped_store, *words)
    assert (found["format"], found["out"]) == ("csv", str(out))
    assert found["cells"] == len(out.read_text().splitlines()) - 1 > 0
    assert "is there already" in run(capsys, mapped_store, *words, code=2)
    assert run(capsys, mapped_store, *words, "--force") == found
    nobody = run(capsys, mapped_store, "export", "X", "--format", "csv", "--out", "x", code=2)
    assert nobody == "X: no such cartridge in the store. Give the id of one of its cartridges, or: all."


def test_the_command_on_an_empty_store(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = run(capsys, tmp_path / "data", "export", "all", "--format", "csv", "--out", str(tmp_path / "x"), code=2)
    assert found == "There is no cartridge in the store. Ingest an archive first."
