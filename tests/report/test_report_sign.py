"""Drafts, signatures and versions, in a real store."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdf
import pytest

from ctc_core.counting import CountOptions
from ctc_core.errors import StoreError, UserError
from ctc_core.report import sign
from ctc_core.report.content import from_json
from ctc_core.settings import Settings
from ctc_core.store import RoundDraft, Store, verify
from ctc_core.store.accounts import Person
from ctc_core.types import Decision, Label
from tests.commands import run
from tests.mapped_store import CELLS, label
from tests.small_store import ENCODER

WORDS = {"name": "anna", "reason": "All read.", "reader": "anna", "session": "tests"}


def decide(store: Store) -> None:
    """R1: three decisions, two CTCs, one of them an event without a cell."""
    label(store, "R1", 0, Label.CTC)
    label(store, "R1", 1, Label.NON_CTC)
    rid = str(store.events("R1").rid.iloc[-1])
    store.decide([Decision("lone", "R1", None, rid, Label.CTC, "bob", "tests")])


@pytest.fixture
def store(unmapped_store: Path) -> Iterator[Store]:
    """With a classifier and decisions on R1."""
    with Store.open(unmapped_store) as opened:
        decide(opened)
        yield opened


@pytest.fixture
def with_map(mapped_store: Path) -> Iterator[Store]:
    """The same with a map."""
    with Store.open(mapped_store) as opened:
        decide(opened)
        yield opened


def text_of(data: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages).split())


def test_a_draft_says_what_the_store_knows(with_map: Store) -> None:
    store = with_map
    draft = sign.draft(store, "R1", 0.5)
    content = draft.content
    assert (draft.last, draft.is_signed) == (None, False)
    assert (content.subject.pseudonym, content.subject.frames, content.subject.cells) == ("R1", 6, CELLS)
    assert content.subject.lost_frames == ((6, "frame_006.tif ends in the middle of a page"),)
    assert content.subject.lost_events == (("r99", "the box lies outside the frame"),)
    assert (content.counted.confirmed, content.counted.cellsearch_events) == (2, len(store.events("R1")))
    assert [(r.name, r.decisions) for r in content.reading.readers] == [("anna", 2), ("bob", 1)]
    assert content.reading.decided + content.reading.undecided == content.reading.shown + content.reading.only_events
    assert content.trusted is not None and sum(content.trusted.cells) == CELLS
    assert {picture.candidate_id for picture in content.pictures} == {
        store.cells("R1").cell_id[0],
        f"event:{store.events('R1').rid.iloc[-1]}",
    }
    assert content.sources.classifier_sha256 and len(content.sources.manifest_sha256) == 64
    text = text_of(sign.file_of(store, draft))
    assert "DRAFT" in text and "5 of 6 frames" in text and content.pictures[0].candidate_id in text


def test_the_count_is_of_the_blood_that_was_drawn(store: Store) -> None:
    counted = sign.draft(store, "R1", 0.5, CountOptions(volume_ml=15.0, cut_off=3)).content.counted
    assert (counted.confirmed, counted.per_7_5_ml, counted.cut_off) == (2, 1.0, 3)


def test_pictures_are_those_of_the_cartridge(store: Store) -> None:
    content = sign.draft(store, "R1", 0.5).content
    crops = sign.counted_crops(store, content)
    np.testing.assert_array_equal(crops[str(store.cells("R1").cell_id[0])], store.crops("R1")[0])
    np.testing.assert_array_equal(crops[f"event:{store.events('R1').rid.iloc[-1]}"], store.event_crops("R1")[-1])


def test_signing_keeps_the_file_and_its_hash(with_map: Store) -> None:
    store = with_map
    head = store.journal.head
    report = sign.sign(store, sign.draft(store, "R1", 0.5), **WORDS)
    assert (report.cartridge_id, report.signature.version, report.reader) == ("R1", 1, "anna")
    assert (report.signature.journal_entry, report.signature.journal_hash) == head
    assert store.journal.head[0] == head[0] + 1
    data = sign.signed_file(report)
    text = text_of(data)
    assert "DRAFT" not in text and head[1] in text and "All read." in text
    assert sign.remake(store, report) == data
    now = sign.draft(store, "R1", 0.5)
    assert now.is_signed and sign.file_of(store, now) == data
    assert from_json(report.content.read_text()) == now.content
    assert verify(store).ok


def test_a_later_decision_makes_a_new_version(store: Store) -> None:
    first = sign.sign(store, sign.draft(store, "R1", 0.5), **WORDS)
    before = first.pdf.read_bytes()
    label(store, "R1", 2, Label.CTC)
    now = sign.draft(store, "R1", 0.5)
    assert not now.is_signed and now.last == first and "DRAFT" in text_of(sign.file_of(store, now))
    second = sign.sign(store, now, **WORDS)
    assert [report.signature.version for report in store.reports("R1")] == [1, 2]
    assert second.sha256 != first.sha256 and first.pdf.read_bytes() == before
    assert sign.remake(store, first) == before


def test_a_decision_elsewhere_changes_nothing(store: Store) -> None:
    sign.sign(store, sign.draft(store, "R1", 0.5), **WORDS)
    label(store, "R1", 5, None)  # withdraws nothing
    assert sign.draft(store, "R1", 0.5).is_signed


def test_what_was_shown_is_what_is_signed(store: Store) -> None:
    shown = sign.draft(store, "R1", 0.5)
    label(store, "R1", 2, Label.CTC)
    with pytest.raises(UserError, match="has changed since it was shown"):
        sign.sign(store, shown, **WORDS)
    assert store.reports() == ()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"name": "bob"}, "The name is not that of the person signed in"),
        ({"name": ""}, "The name is not that of the person signed in"),
        ({"reason": "  "}, "A signature needs a reason"),
        ({"reason": "x" * 501}, "A signature needs a reason of at most 500 characters"),
    ],
)
def test_no_signature_without_name_and_reason(store: Store, words: dict[str, str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        sign.sign(store, sign.draft(store, "R1", 0.5), **(WORDS | words))
    assert store.reports() == ()


def test_the_same_is_not_signed_twice(store: Store) -> None:
    sign.sign(store, sign.draft(store, "R1", 0.5), **WORDS)
    with pytest.raises(UserError, match="version 1 says the same and is signed"):
        sign.sign(store, sign.draft(store, "R1", 0.5), **WORDS)


def test_nobody_signs_what_is_hidden_from_them(store: Store) -> None:
    """Figures of a person with a blind second reading lack what others said."""
    words = {**WORDS, "name": "carl", "reader": "carl"}
    counted = sign.draft(store, "T1", 0.5).content.counted.confirmed
    asked = RoundDraft(
        encoder_id=ENCODER, strategy="random", cell_ids=(str(store.cells("T1").cell_id[0]),), blind=(True,)
    )
    opened = store.open_round(asked, reader="carl", session="s")
    store.answer(lambda: Person("carl"))
    draft = sign.draft(store, "T1", 0.5)
    assert draft.content.counted.confirmed == counted - 1
    with pytest.raises(UserError, match="T1: you have a second reading open that hides from you what others said"):
        sign.sign(store, draft, **words)
    assert store.reports() == () and not store.hides("T2")
    store.abandon_round(opened.round_id, reader="carl", session="s", reason="to sign")
    sign.sign(store, sign.draft(store, "T1", 0.5), **words, distinct=True)
    assert from_json(store.reports()[0].content.read_text()).counted.confirmed == counted


@pytest.fixture
def close(unmapped_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Two CTCs of one frame confirmed, and neighbours taken from further away than usual."""
    with Store.open(unmapped_store) as opened:
        frames = opened.cells("R1").frame
        numbers = frames.index[frames == frames[0]][:2]
        for number in numbers:
            label(opened, "R1", int(number), Label.CTC)
        monkeypatch.setattr("ctc_core.enumeration.summary.CLOSE_UM", 5000.0)
        yield opened


def test_neighbours_are_answered_for(close: Store) -> None:
    draft = sign.draft(close, "R1", 0.5)
    (pair,) = draft.content.neighbours
    assert {pair.first, pair.second} == {picture.candidate_id for picture in draft.content.pictures}
    with pytest.raises(UserError, match="or confirm that they are different cells; then sign") as caught:
        sign.sign(close, draft, **WORDS)
    assert "Perhaps counted twice: the counted CTCs" in str(caught.value) and close.reports() == ()
    report = sign.sign(close, draft, **WORDS, distinct=True)
    assert from_json(report.content.read_text()).neighbours == (pair,)
    text = text_of(sign.signed_file(report))
    assert "counts two cells" in text and "Perhaps counted twice" in text
    assert sign.remake(close, report) == sign.signed_file(report)


def test_a_pair_that_appears_makes_a_new_version(close: Store) -> None:
    sign.sign(close, sign.draft(close, "R1", 0.5), **WORDS, distinct=True)
    second = sign.draft(close, "R1", 0.5).content.neighbours[0].second
    number = int(close.cells("R1").index[close.cells("R1").cell_id == second][0])
    label(close, "R1", number, Label.NON_CTC, "the same cell")
    now = sign.draft(close, "R1", 0.5)
    assert (now.is_signed, now.content.neighbours) == (False, ())
    assert sign.sign(close, now, **WORDS).signature.version == 2


def test_verify_names_a_changed_and_a_missing_file(store: Store) -> None:
    report = sign.sign(store, sign.draft(store, "R1", 0.5), **WORDS)
    report.pdf.write_bytes(report.pdf.read_bytes() + b"x")
    report.content.unlink()
    problems = verify(store).problems
    assert [problem.split(": ")[1].split(".")[0] for problem in problems] == [
        "the signed report was changed after it was signed",
        "the signed report is missing",
    ]
    with pytest.raises(StoreError, match="changed after it was signed"):
        sign.signed_file(report)


def test_versions_follow_each_other(store: Store) -> None:
    report = sign.sign(store, sign.draft(store, "R1", 0.5), **WORDS)
    for change in ({"version": 1}, {"version": 3}, {"version": 2, "journal_entry": 1}):
        signature = replace(report.signature, **change)
        with pytest.raises(StoreError, match=r"Load the page again|something was decided"):
            store.add_report("R1", signature, b"pdf", "{}", reader="anna", session="s")
    with pytest.raises(StoreError, match="no such cartridge"):
        store.add_report("X", report.signature, b"pdf", "{}", reader="anna", session="s")


def test_signed_reports_survive_a_lost_database(store: Store, unmapped_store: Path) -> None:
    report = sign.sign(store, sign.draft(store, "R1", 0.5), **WORDS)
    store.close()
    (unmapped_store / "store.duckdb").unlink()
    with Store.open(unmapped_store) as again:
        assert again.reports("R1") == (report,)
        assert again.reports("E1") == ()


def test_without_classifier_or_map(unmapped_store: Path) -> None:
    with Store.open(unmapped_store) as store:
        content = sign.draft(store, "R1", 0.5).content
        assert content.trusted is None and content.why_not_trusted.startswith("There is no map yet.")
        assert (content.counted.confirmed, content.pictures, content.reading.readers) == (0, (), ())
        assert content.reading.model_ppv is None
        with pytest.raises(UserError, match="X: no such cartridge"):
            sign.draft(store, "X", 0.5)


def test_the_command(capsys: pytest.CaptureFixture[str], unmapped_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "r1.pdf"
    words = ["report", "R1", "--out", str(out)]
    found = run(capsys, unmapped_store, *words)
    assert found == {"cartridge_id": "R1", "status": "draft", "version": None, "out": str(out)}
    assert "DRAFT" in text_of(out.read_bytes())
    assert "is there already" in run(capsys, unmapped_store, *words, code=2)
    refused = run(capsys, unmapped_store, *words, "--force", "--sign-as", "nobody", "--reason", "x", code=2)
    assert refused.startswith("The name is not that of the person signed in")
    signed = run(capsys, unmapped_store, *words, "--force", "--sign-as", Settings().reader, "--reason", "Done.")
    assert (signed["status"], signed["version"]) == ("signed", 1)
    assert run(capsys, unmapped_store, *words, "--force") == signed
    assert "DRAFT" not in text_of(out.read_bytes())
