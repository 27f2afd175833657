"""Texts that would be obeyed by whatever opens an export: none arrives there, or none as more than a text."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctc_core.errors import StoreError
from ctc_core.exports.names import Format
from ctc_core.exports.write import export
from ctc_core.features import FeaturesFolder, Part, read_features, write_features
from ctc_core.label_files import export_labels, import_labels
from ctc_core.report.content import Reader, from_json
from ctc_core.report.pdf import render
from ctc_core.spreadsheet import safe, unguarded
from ctc_core.store import Store, read_bundle, write_bundle
from ctc_core.types import Decision, Label, Role
from tests import made_report
from tests.small_store import write_small_bundle

HOSTILE = (
    "=HYPERLINK(\"http://198.51.100.7\")", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\r=1", "\n=1", "＝1",
    "x;=1+1", "x\t=1+1", "two\nlines", "two\r\n=lines", "'quoted", "''=1", 'a"b', "a,b",
    "<script>alert(1)</script>", "<a href='http://198.51.100.7'>x</a>", "<img src='/etc/hostname'/>", "&lt;b&gt; ]]>",
    "<font size=90>big</font>", "<para><b>open", "<!-- x", "&#x202e;", "<?xml?>", "../../etc/cron.d/x", "/etc/x",
    "C:\\x", "..", ".hidden", "a/b", "x\u202egpj.exe", "a\u200bb", "\ufeffx", "bell\x07", "\x1b[2J", "\x85",
    "%s %n {0}", "NA", "x" * 300,
)  # fmt: skip
"""Formulas, markup, parts of paths, controls, turned and invisible writing; what is merely odd."""
FORMULA = tuple("=+-@＝＋－＠\t\r\n")


# ---- what never gets in: ids, which become names of files, elements of XML and cells of tables


@pytest.mark.parametrize("text", [text for text in HOSTILE if text != "NA"])
def test_no_such_pseudonym_or_id(tmp_path: Path, text: str) -> None:
    bundle = read_bundle(write_small_bundle(tmp_path / "bundle", n_cells=8))
    tables = {
        name: bundle.table(name).to_pandas()
        for name in ("cartridge", "frames", "events", "cells", "quarantined_events")
    }
    arrays = {name: np.array(bundle.array(name)) for name in ("crops", "vectors", "event_crops")}
    with Store.open(tmp_path / "data") as store:
        with pytest.raises(StoreError, match="not a pseudonym"):
            store.add_patient(text, Role.REVIEW, "anna", "s")
        store.add_patient("patient-01", Role.REVIEW, "anna", "s")
        for name, key in (("cartridge", "cartridge_id"), ("cells", "cell_id"), ("events", "rid")):
            changed = tables[name].assign(**{key: [text, *tables[name][key][1:]]})
            given = {"parameters": {}, "inputs": {}, "tables": {**tables, name: changed}, "arrays": arrays}
            hostile = write_bundle(tmp_path / f"hostile-{name}", kind="cartridge", **given)
            with pytest.raises(StoreError, match="id"):
                store.add_bundle(hostile)
        assert store.cartridges().empty
    assert {path.name for path in tmp_path.iterdir()} == {
        "bundle",
        "data",
        "hostile-cartridge",
        "hostile-cells",
        "hostile-events",
    }


# ---- what never gets out: names and words of readers


@pytest.fixture(scope="module")
def spoken(_stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mapped store in which people with such names have given such reasons."""
    data = Path(shutil.copytree(_stores / "mapped", tmp_path_factory.mktemp("spoken") / "data"))
    with Store.open(data) as store:
        cells = store.cells("R1").cell_id
        for i, text in enumerate(HOSTILE):
            store.decide(
                [
                    Decision(
                        f"h{i}",
                        "R1",
                        str(cells[i]),
                        None,
                        Label.CTC,
                        f"{text[:90]} marked".strip(),
                        "s",
                        f"{text} marked",
                    )
                ]
            )
    return data


def every_text(path: Path) -> str:
    """All that a file of an export says."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return f"{table.schema.to_string(show_field_metadata=True)} {table.to_pylist()}"
    if path.suffix == ".h5ad":
        with h5py.File(path) as file:
            found: list[str] = []
            file.visititems(
                lambda name, node: found.append(
                    f"{name} {dict(node.attrs)} {node[()] if isinstance(node, h5py.Dataset) else ''}"
                )
            )
            return " ".join(found)
    return path.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize("form", list(Format))
def test_no_name_and_no_word_of_a_reader_is_exported(spoken: Path, tmp_path: Path, form: Format) -> None:
    with Store.open(spoken) as store:
        export(store, "all", form, tmp_path / "out" / f"x.{form}", threshold=0.5)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    texts = [every_text(path) for path in files]
    assert files and not [path for path, text in zip(files, texts, strict=True) if "marked" in text]


# ---- what gets out: labels with names and reasons, and the report


def cells_as_seen(path: Path) -> list[str]:
    """Every cell that a spreadsheet program could make of a file, whatever it takes for the end of a cell."""
    text = path.read_bytes().decode()
    rows = [row for end in (",", ";", "\t") for row in csv.reader(io.StringIO(text, newline=""), delimiter=end)]
    raw = [line for end in (";", "\t") for row in text.splitlines() for line in row.split(end)]
    return [*(cell for row in rows for cell in row), *raw]


def test_labels_are_no_formulas_and_come_back_as_they_were(spoken: Path, tmp_path: Path) -> None:
    with Store.open(spoken) as store:
        n = export_labels(store, tmp_path / "labels.csv")
        assert [cell for cell in cells_as_seen(tmp_path / "labels.csv") if cell.startswith(FORMULA)] == []
        again = import_labels(store, tmp_path / "labels.csv", reader="anna")
        assert (again.rows, again.already, again.bad) == (n, n, ())


@given(st.text(alphabet="=+-@;\t\r\n' a＝", max_size=12))
def test_guarding_can_be_undone(text: str) -> None:
    assert unguarded(safe(text)) == text
    assert not [cell for cell in safe(text).replace("\t", ";").split(";") if cell.startswith(tuple("=+-@＝"))]


def hostile_content(text: str) -> object:
    content = made_report.content(2)
    subject = replace(content.subject, lost_events=((text, text),), lost_frames=((12, text),), notes=(text,))
    reading = replace(content.reading, readers=(Reader(text, 3, "2026-11-20", "2026-11-21"),))
    pictures = tuple(replace(picture, readers=text) for picture in content.pictures)
    sources = replace(content.sources, segmenter_id=text, encoder_id=text)
    return replace(content, subject=subject, reading=reading, pictures=pictures, sources=sources, why_not_trusted=text)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_report_shows_texts_and_obeys_none(text: str) -> None:
    content = hostile_content(text)
    signature = replace(made_report.SIGNATURE, name=text, reason=text)
    data = render(content, signature, made_report.crops(2))
    file = pypdf.PdfReader(io.BytesIO(data))
    assert not [page for page in file.pages if "/Annots" in page] and "/Names" not in file.root_object
    assert len([image for page in file.pages for image in page.images]) == 2
    said = "".join("".join(page.extract_text() for page in file.pages).split())
    seen = "".join(char if char.isprintable() else "�" for char in " ".join(text.split()))
    if text != "＝1":  # which the font does not have
        assert said.count("".join(seen.split())) >= 7
    assert file.metadata.author.isprintable()
    assert from_json(content.to_json()) == content and json.loads(content.to_json())["subject"]["notes"] == [text]


def test_a_report_with_many_and_long_names_can_be_made() -> None:
    content = made_report.content(2)
    readers = tuple(Reader(f"{i} " + "long name " * 390, 1, "2026-11-20", "2026-11-20") for i in range(20))
    content = replace(content, reading=replace(content.reading, readers=readers))
    assert len(pypdf.PdfReader(io.BytesIO(render(content, None, made_report.crops(2)))).pages) > 10


# ---- words that mean nothing to us, and something to a reader of tables


def test_a_patient_who_is_called_like_a_missing_value(tmp_path: Path) -> None:
    def part(label: int, case: str, n: int = 3) -> Part:
        paths = {f"{channel}_path": [f"/{channel}.png"] * n for channel in ("dapi", "ck", "cd45")}
        table = pd.DataFrame({"case": [case] * n, "frame_num": 1, "label": label, **paths, "cluster": 0})
        return Part(table, np.ones((n, 2), np.float32), np.ones((n, 2), np.float32))

    folder = FeaturesFolder(part(1, "NA"), part(0, "nan"), part(10, "007"), np.ones((6, 2), np.float32))
    found = read_features(write_features(tmp_path / "features", folder))
    assert [set(one.table.case) for one in (found.train, found.test, found.unlabelled)] == [{"NA"}, {"nan"}, {"007"}]


def test_tables_of_two_cartridges_lie_side_by_side(store: Store, tmp_path: Path) -> None:
    """Ids hold dots: the name of what stands beside a file keeps all of the file's own."""
    for number in (1, 2):
        export(store, "R1", Format.OME_TIFF, tmp_path / f"171651.1.{number}.ome.tif", threshold=0.5)
    names = {f"171651.1.{number}.{end}" for number in (1, 2) for end in ("ome.tif", "cells.csv")}
    assert {path.name for path in tmp_path.iterdir()} == names
