import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ctc_core.errors import StoreError
from ctc_core.store import ModelRecord, Store, code_version
from ctc_core.types import Decision, Label, Role

MakeBundle = Callable[..., Path]
ENCODER = "encoder-0"


def cell(cartridge_id: str, number: int) -> str:
    return f"{cartridge_id}-001-{100 + number:04d}-0050"


def decide(store: Store, cartridge_id: str, labels: list[Label | None]) -> None:
    head = store.journal.head[0]
    store.decide(
        [
            Decision(f"{cartridge_id}-{head}-{i}", cartridge_id, cell(cartridge_id, i), None, label, "ann", "s1")
            for i, label in enumerate(labels)
        ]
    )


@pytest.fixture
def labelled(store: Store, make_bundle: MakeBundle) -> Store:
    """One patient and cartridge per role, five cells each with every label and one withdrawn."""
    for role in Role:
        store.add_patient(role.name, role, "ann", "s1")
        store.add_bundle(make_bundle(f"C-{role.name}", role.name, cells=6))
        decide(store, f"C-{role.name}", [Label.CTC, Label.NON_CTC, Label.UNSURE, Label.ARTIFACT, Label.CTC])
        store.decide([Decision(f"w{role}", f"C-{role.name}", cell(f"C-{role.name}", 4), None, None, "ann", "s1")])
    return store


@pytest.mark.parametrize(("role", "pool"), [(Role.TRAIN, "training_pool"), (Role.TEST, "evaluation_pool")])
def test_a_pool_holds_the_sure_labels_of_one_role(labelled: Store, role: Role, pool: str) -> None:
    found = getattr(labelled, pool)(ENCODER)
    assert found.cell_ids == tuple(cell(f"C-{role.name}", number) for number in (0, 1, 3))
    assert (found.labels.tolist(), found.labels.dtype) == ([1, 0, 0], np.int64)
    assert (found.vectors[:, 5].tolist(), found.vectors.dtype, found.vectors.shape) == ([0, 1, 3], np.float32, (3, 128))


def test_a_pool_knows_only_vectors_of_its_encoder(labelled: Store) -> None:
    pool = labelled.training_pool("another")
    assert (pool.cell_ids, pool.vectors.shape, pool.labels.shape) == ((), (0, 128), (0,))


def test_a_reviewed_patient_joins_the_pool_when_moved_to_train(labelled: Store) -> None:
    labelled.set_role("REVIEW", Role.TRAIN, "eva", "s2", "signed off on 3 March")
    cells = labelled.training_pool(ENCODER).cell_ids
    assert {cell_id.split("-")[1] for cell_id in cells} == {"REVIEW", "TRAIN"}
    assert labelled.audit(1).drop(columns=["id", "time", "hash"]).to_dict("records") == [
        {
            "seq": labelled.journal.head[0],
            "kind": "role",
            "reader": "eva",
            "session": "s2",
            "subject": "REVIEW",
            "old": '"review"',
            "new": '"train"',
            "reason": "signed off on 3 March",
            "role": "single-user",
            "why": "",
        }
    ]


def test_roles_of_patients_with_cartridges_stay(labelled: Store) -> None:
    before, head = labelled.patients().to_dict("records"), labelled.journal.head
    for old, new in itertools.permutations(Role, 2):
        if (old, new) != (Role.REVIEW, Role.TRAIN):
            with pytest.raises(StoreError, match=f"{old.name}: (cannot change from|a test patient never changes)"):
                labelled.set_role(old.name, new, "ann", "s1", "because")
    with pytest.raises(StoreError, match="REVIEW: a change of a patient's role needs a reason"):
        labelled.set_role("REVIEW", Role.TRAIN, "ann", "s1", "  ")
    labelled.set_role("TEST", Role.TEST, "ann", "s1", "no change")
    assert (labelled.patients().to_dict("records"), labelled.journal.head) == (before, head)


def test_roles_of_patients_without_cartridges_may_change_except_test(store: Store) -> None:
    store.add_patient("P1", Role.REVIEW, "ann", "s1")
    with pytest.raises(StoreError, match="P1: a change of a patient's role needs a reason"):
        store.set_role("P1", Role.ENCODER, "ann", "s1")
    store.set_role("P1", Role.ENCODER, "ann", "s1", "for the encoder")
    store.set_role("P1", Role.TEST, "ann", "s1", "mistaken")
    with pytest.raises(StoreError, match="P1: a test patient never changes role"):
        store.set_role("P1", Role.TRAIN, "ann", "s1", "please")
    with pytest.raises(StoreError, match="P2: no such patient"):
        store.set_role("P2", Role.TRAIN, "ann", "s1")
    assert store.patients()["role"].tolist() == ["test"]


def test_a_patient_is_added_once(store: Store) -> None:
    store.add_patient("P-1.a_b", Role.TRAIN, "ann", "s1")
    head = store.journal.head
    store.add_patient("P-1.a_b", Role.TRAIN, "bob", "s2")
    with pytest.raises(StoreError, match=r"P-1\.a_b: already known with the role train"):
        store.add_patient("P-1.a_b", Role.TEST, "ann", "s1")
    assert store.journal.head == head
    assert store.patients().to_dict("records") == [{"pseudonym": "P-1.a_b", "role": "train", "cartridges": 0}]


@pytest.mark.parametrize("name", ["", "Jane Doe", "../P1", ".P1", "P1\n", "Ä1", "P" * 65, "a/b"])
def test_a_name_that_is_no_pseudonym_is_refused(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="not a pseudonym"):
        store.add_patient(name, Role.TRAIN, "ann", "s1")
    assert store.journal.head[0] == 0


def test_one_model_of_a_kind_is_active(store: Store, tmp_path: Path) -> None:
    inside, outside = store.folder / "models" / "svm-1", tmp_path / "elsewhere"
    assert store.active_model("classifier") is None
    store.add_model("svm-1", "classifier", inside, {"C": 1.5}, "ann", "s1")
    store.add_model("svm-2", "classifier", outside, {}, "ann")
    store.add_model("map-1", "map", outside, {}, "ann")
    for model_id in ("svm-1", "map-1", "svm-2"):
        store.activate_model(model_id, "ann", "s1", "better")
    now = datetime.now(UTC).replace(tzinfo=None)
    models = store.models()
    assert all(now - timedelta(minutes=1) < model.created <= now for model in models)
    assert models == (
        ModelRecord("svm-1", "classifier", inside, {"C": 1.5}, active=False, created=models[0].created),
        ModelRecord("svm-2", "classifier", outside, {}, active=True, created=models[1].created),
        ModelRecord("map-1", "map", outside, {}, active=True, created=models[2].created),
    )
    assert (store.active_model("classifier"), store.active_model("map")) == (models[1], models[2])
    assert store.audit(1)[["kind", "old", "new"]].to_numpy().tolist() == [["activate", '"svm-1"', '"svm-2"']]
    head = store.journal.head
    store.add_model("svm-2", "classifier", outside, {}, "ann")
    store.activate_model("svm-2", "ann", "s1")
    assert store.journal.head == head
    with pytest.raises(StoreError, match="svm-3: no such model"):
        store.activate_model("svm-3", "ann", "s1")


def test_predictions_are_replaced(labelled: Store) -> None:
    ids = [cell("C-TRAIN", number) for number in range(3)]
    labelled.save_predictions("svm-1", ids, np.array([0.25, 0.5, 1]))
    labelled.save_predictions("svm-1", ids[:1], np.array([0.125], np.float32))
    labelled.save_predictions("svm-2", ids[:1], np.array([0.9]))
    assert labelled.predictions("C-TRAIN", "svm-1").to_dict("records") == [
        {"cell_id": ids[0], "probability": 0.125},
        {"cell_id": ids[1], "probability": 0.5},
        {"cell_id": ids[2], "probability": 1.0},
    ]
    with pytest.raises(StoreError, match="Constraint Error"):
        labelled.save_predictions("svm-1", ids, np.array([0.1, 0.2, 1.5]))
    assert labelled.predictions("C-TRAIN", "svm-1")["probability"].tolist() == [0.125, 0.5, 1.0]
    assert labelled.predictions("C-TEST", "svm-1").empty


def test_jobs_and_runs_are_noted(store: Store) -> None:
    store.record_job("j1", "ingest", {"path": "a"}, "queued")
    store.record_job("j1", "ingest", {"path": "a"}, "running", "frame 3 of 6")
    (job,) = store.jobs().to_dict("records")
    assert (job["finished"] is None) or job["finished"] != job["finished"]
    store.record_job("j1", "ingest", {"path": "a"}, "failed", "no pages")
    (job,) = store.jobs().to_dict("records")
    created, finished = job.pop("created"), job.pop("finished")
    assert created <= finished
    assert job == {
        "job_id": "j1",
        "kind": "ingest",
        "parameters": '{"path":"a"}',
        "status": "failed",
        "message": "no pages",
    }
    run_id = store.record_run("fit", {"C": 1}, {"labels": 30}, "svm-1", "ann", "s1")
    (run,) = store.runs().to_dict("records")
    run.pop("time")
    assert run == {
        "run_id": run_id,
        "kind": "fit",
        "parameters": '{"C":1}',
        "inputs": '{"labels":30}',
        "code_version": code_version(),
        "artefact": "svm-1",
    }
