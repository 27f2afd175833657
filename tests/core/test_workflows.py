"""The whole path on small archives: ingest, receive, label, fit, score, candidates, decide."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ctc_core import fitting, workflows
from ctc_core.cartridge import VARIANTS
from ctc_core.errors import ModelError, NotEnoughLabels, UserError
from ctc_core.jobs import Jobs
from ctc_core.matched import candidates
from ctc_core.store import Store
from ctc_core.types import Decision, Label, Role
from tests.support import ARITHMETIC, ProjectingEmbedder, ThresholdSegmenter, make_archive


class FakeNetworks:
    """Networks that need no weights."""

    def __init__(self) -> None:
        self.segmenter, self.embedder, self.lanes = ThresholdSegmenter(), ProjectingEmbedder(), 1
        self.arithmetic = ARITHMETIC


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data") as store:
        yield store


def ingest(store: Store, archive: Path, pseudonym: str = "p-1", role: Role = Role.REVIEW) -> Jobs:
    jobs = Jobs(store.folder)
    job_id = jobs.create(archive, pseudonym, role, "anna")
    workflows.run_ingest(jobs, job_id, FakeNetworks())  # type: ignore[arg-type]
    if jobs.state(job_id).state == "finished":
        workflows.receive(store, jobs, job_id)
    return jobs


def decision(
    cartridge_id: str, cell_id: str | None, label: Label | None, rid: str | None = None, n: int = 0
) -> Decision:
    return Decision(
        f"{cartridge_id}-{cell_id}-{rid}-{n}", cartridge_id, cell_id, rid, label, "anna", "s-1", why="tests"
    )


def label_everything(store: Store, cartridge_id: str) -> None:
    """Every second cell is a CTC."""
    ids = store.cells(cartridge_id).cell_id
    labels = [Label.CTC if i % 2 else Label.NON_CTC for i in range(len(ids))]
    workflows.decide(store, [decision(cartridge_id, i, label) for i, label in zip(ids, labels, strict=True)])


@pytest.fixture
def trained(store: Store, tmp_path: Path) -> Store:
    """Two training patients, a test patient and a review patient, with a classifier."""
    for i, role in enumerate((Role.TRAIN, Role.TRAIN, Role.TEST, Role.REVIEW)):
        ingest(store, make_archive(tmp_path / "inbox", f"10{i}.1"), f"p-{i}", role)
    for cartridge_id in ("100.1", "101.1", "102.1"):
        label_everything(store, cartridge_id)
    fitting.fit(store, tmp_path / "data" / "models", "projection-1", reader="anna", session="s")
    return store


def test_an_archive_arrives_in_the_store(store: Store, archive: Path) -> None:
    jobs = ingest(store, archive)
    assert [status.state.state for status in jobs.status()] == ["imported"]
    row = store.cartridges().iloc[0]
    shown = {name: row[name] for name in ("cartridge_id", "pseudonym", "role", "frames", "cells", "events", "assigned")}
    assert shown == {
        "cartridge_id": "171651.1.2",
        "pseudonym": "p-1",
        "role": "review",
        "frames": 4,
        "cells": 6,
        "events": 3,
        "assigned": 2,
    }


def test_without_a_classifier_only_events_are_shown(store: Store, archive: Path) -> None:
    ingest(store, archive)
    table = candidates(store, "171651.1.2", 0.5)
    assert table.group.tolist() == ["cellsearch"] * 3
    assert sorted(table.event_rid) == ["11", "12", "13"]
    assert [cell is None for cell in table.sort_values("event_rid").cell_id] == [False, False, True]


def test_a_refused_archive_leaves_nothing(store: Store, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "inbox", "9.1", VARIANTS["missing-frame"])
    jobs = ingest(store, archive)
    state = jobs.status()[0].state
    assert state.state == "refused" and "frame 2" in state.message.lower()
    assert store.cartridges().empty and store.patients().empty
    assert list((store.folder / "crops").glob("*")) == []


def test_the_same_cartridge_cannot_belong_to_two_patients(store: Store, archive: Path) -> None:
    ingest(store, archive, "p-1")
    jobs = ingest(store, archive, "p-2")
    assert jobs.status()[0].state.state == "refused"
    assert store.cartridges().pseudonym.tolist() == ["p-1"]


def test_submissions_are_checked_before_computing(store: Store, archive: Path) -> None:
    ingest(store, archive, "p-1", Role.TEST)
    other = archive.with_name("other")
    with pytest.raises(UserError, match="p-1: this patient has the role 'test', and a patient has only one"):
        workflows.check_submission(store, other, "p-1", Role.TRAIN)
    with pytest.raises(UserError, match=r"171651\.1\.2: this cartridge is in the store already"):
        workflows.check_submission(store, archive, "p-1", Role.TEST)
    with pytest.raises(UserError, match="not a pseudonym"):
        workflows.check_submission(store, other, "Erika Mustermann", Role.TEST)
    workflows.check_submission(store, other, "p-1", Role.TEST)


def test_fit_scores_every_cartridge_and_measures_on_test_patients(trained: Store) -> None:
    active = trained.active_model("classifier")
    assert active is not None
    assert (active.parameters["n_ctc"], active.parameters["n_other"], active.parameters["test"]["n"]) == (6, 6, 6)
    for cartridge_id in trained.cartridges().cartridge_id:
        assert len(trained.predictions(cartridge_id, active.model_id)) == 6


def test_a_new_cartridge_is_scored_on_arrival(trained: Store, tmp_path: Path) -> None:
    ingest(trained, make_archive(tmp_path / "inbox", "200.1"), "p-9")
    active = trained.active_model("classifier")
    assert active is not None and len(trained.predictions("200.1", active.model_id)) == 6


def test_labels_of_review_and_test_patients_never_train(trained: Store, tmp_path: Path) -> None:
    before = trained.active_model("classifier")
    label_everything(trained, "103.1")
    again = fitting.fit(trained, tmp_path / "m", "projection-1", reader="anna", session="s")
    assert before is not None and again["model_id"] == before.model_id


def test_fit_without_labels_says_what_to_do(store: Store, archive: Path, tmp_path: Path) -> None:
    ingest(store, archive, role=Role.TRAIN)
    with pytest.raises(NotEnoughLabels, match="0 CTC and 0 non-CTC labels in training patients"):
        fitting.fit(store, tmp_path / "m", "projection-1", reader="anna", session="s")
    with pytest.raises(ModelError, match="No classifier is active"):
        fitting.score(store, ["171651.1.2"])


def test_a_classifier_of_another_encoder_is_refused(trained: Store, archive: Path) -> None:
    jobs = Jobs(trained.folder)
    job_id = jobs.create(archive, "p-1", Role.TRAIN, "anna")
    networks = FakeNetworks()
    networks.embedder.id = "projection-2"
    workflows.run_ingest(jobs, job_id, networks)  # type: ignore[arg-type]
    workflows.receive(trained, jobs, job_id)
    assert jobs.state(job_id).state == "imported"
    workflows.receive(trained, jobs, job_id)  # once more, as after a crash between import and its note
    assert (jobs.state(job_id).state, jobs.state(job_id).message) == ("imported", "")
    with pytest.raises(ModelError, match="6 cells, but 0 vectors of the encoder projection-1"):
        fitting.score(trained, ["171651.1.2"])


def test_candidates_carry_decisions_and_pictures(trained: Store) -> None:
    table = candidates(trained, "103.1", 0.01)
    cell = table[table.cell_id.notna()].iloc[0]
    workflows.decide(
        trained,
        [decision("103.1", cell.cell_id, Label.CTC), decision("103.1", None, Label.ARTIFACT, rid="13")],
    )
    decided = candidates(trained, "103.1", 0.01).set_index("candidate_id")
    assert decided.label[cell.candidate_id] == "ctc" and decided.reader[cell.candidate_id] == "anna"
    assert decided.label["event:13"] == "artifact"
    assert decided.label.map(lambda value: value is None).sum() == len(table) - 2
    pictures = workflows.candidate_crops(trained, "103.1", table)
    expected = trained.crops("103.1")[int(cell.crop_index)]
    np.testing.assert_array_equal(np.frombuffer(pictures[cell.name], np.uint8).reshape(3, 48, 48), expected)
    assert workflows.summary(trained, "103.1", candidates(trained, "103.1", 0.01)).confirmed == 1


def test_undo_withdraws(trained: Store) -> None:
    cell_id = trained.cells("103.1").cell_id[0]
    workflows.decide(trained, [decision("103.1", cell_id, Label.CTC)])
    workflows.decide(trained, [decision("103.1", cell_id, None, n=1)])
    assert trained.current_labels("103.1").empty
    assert trained.label_history(cell_id).label.fillna("withdrawn").tolist() == ["ctc", "withdrawn"]


def test_decisions_on_a_train_patient_become_labels(trained: Store, tmp_path: Path) -> None:
    cell_id = trained.cells("100.1").cell_id[0]
    workflows.decide(trained, [decision("100.1", cell_id, Label.CTC, n=7)])
    again = fitting.fit(trained, tmp_path / "m", "projection-1", reader="anna", session="s")
    assert (again["n_ctc"], again["n_other"]) == (7, 5)


def test_an_unknown_cartridge_is_named(store: Store) -> None:
    with pytest.raises(UserError, match="nope: no such cartridge in the store"):
        candidates(store, "nope", 0.5)


def test_the_inbox_lists_folders_and_zips(store: Store, archive: Path) -> None:
    ingest(store, archive)
    for name in ("b.zip", ".hidden.zip", "notes.txt"):
        (archive.parent / name).write_text("")
    (archive.parent / "a").mkdir()
    items = [(item.name, item.kind, item.known) for item in workflows.inbox(archive.parent, store)]
    assert items == [("a", "folder", False), ("b.zip", "zip", False), ("171651.1.2", "folder", True)]
