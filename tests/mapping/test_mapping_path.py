"""From labels to a map in the store, and what becomes of it afterwards."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core import assessment, fitting, job_kinds, mapping
from ctc_core.draw import draw, draw_cells
from ctc_core.jobs import Job, Jobs, JobState, Kind
from ctc_core.latent import load
from ctc_core.store import Store, verify, write_bundle
from ctc_core.types import Label, Progress, Role
from tests.mapped_store import CELLS, PARAMETERS, PATIENTS, STRANGE, add_cartridge, kinds, label
from tests.small_store import ENCODER


@pytest.fixture
def store(mapped_store: Path) -> Iterator[Store]:
    with Store.open(mapped_store) as opened:
        yield opened


def map_id(store: Store) -> str:
    return mapping.active_map(store).model_id


def all_points(store: Store) -> pd.DataFrame:
    return pd.concat([store.points(map_id(store), name) for name in sorted(PATIENTS)], ignore_index=True)


def cluster_of_kind(store: Store) -> list[int]:
    """The cluster that most training cells of each kind are in."""
    points = store.points(map_id(store), "T1")
    return [int(points.cluster[kinds() == kind].mode()[0]) for kind in range(3)]


def test_every_cell_has_a_place_and_kinds_become_clusters(store: Store) -> None:
    assert sorted(cluster_of_kind(store)) == [0, 1, 2]
    expected = np.array(cluster_of_kind(store))[kinds()]
    for name in PATIENTS:
        points = store.points(map_id(store), name)
        assert points.cell_id.tolist() == store.cells(name).cell_id.tolist()
        ordinary = (np.arange(CELLS) != STRANGE) | (name != "R1")
        found = points.cluster.to_numpy()[ordinary]
        agreeing = (found == expected[ordinary]) | (found == -1)
        assert agreeing.all() and (found != -1).mean() > 0.8


def test_the_job_says_what_was_made(store: Store) -> None:
    (status,) = Jobs(store.folder).status()
    result = status.state.result
    assert (status.job.kind, status.state.state, result["clusters"]) == (Kind.MAP, "imported", 3)
    assert result["cells"] == {"train": 120, "test": 75, "unlabelled": 60, "other": 15 + CELLS}
    classifier = store.active_model("classifier")
    assert classifier is not None
    assert (result["map_id"], result["classifier_id"]) == (map_id(store), classifier.model_id)
    assert not (store.folder / "jobs" / status.job_id / "inputs").exists()


def test_the_map_is_known_and_its_making_is_in_the_journal(store: Store) -> None:
    latent_map = load(mapping.active_map(store).folder)
    assert (latent_map.id, latent_map.encoder_id, latent_map.n_test) == (map_id(store), ENCODER, 75)
    last = store.audit(3)
    assert last.kind.tolist() == ["activate", "run", "model"]
    assert last.reason[0] == "built from 120 labelled cells of training patients"
    assert verify(store).ok


def test_importing_again_changes_nothing(store: Store) -> None:
    jobs, before = Jobs(store.folder), all_points(store)
    (status,) = jobs.status()
    jobs.set_state(status.job_id, JobState("finished", result=status.state.result))
    job_kinds.receive(store, jobs, status.job_id)
    assert jobs.state(status.job_id).state == "imported"
    pd.testing.assert_frame_equal(all_points(store), before)


def test_a_store_filled_again_has_its_points_from_the_bundles(mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        before, active = all_points(store), map_id(store)
    (mapped_store / "store.duckdb").unlink()
    with Store.open(mapped_store) as store:
        assert (store.problems, map_id(store)) == ((), active)
        pd.testing.assert_frame_equal(all_points(store), before)
        assert store.predictions("R1", "x").empty
        fitting.score_unscored(store)
        known = assessment.trust(store, 0.5)
        assert draw(known, draw_cells(store, known, "R1")).reliability.cells.n == CELLS


def test_without_bundles_of_points_cells_are_placed_again(mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        before = all_points(store)
    (mapped_store / "store.duckdb").unlink()
    for folder in mapped_store.glob("bundles/points-*"):
        shutil.rmtree(folder)
    with Store.open(mapped_store) as store:
        assert (mapping.lacks_points(store), all_points(store).empty) == (4 * CELLS, True)
        mapping.place_new(store, Jobs(mapped_store), "anna")
        after = all_points(store)
        assert (mapping.lacks_points(store), after.cell_id.tolist()) == (0, before.cell_id.tolist())
        assert (after.cluster == before.cluster).mean() > 0.95


def test_a_later_cartridge_is_placed(store: Store, tmp_path: Path) -> None:
    add_cartridge(store, tmp_path, "R2", Role.REVIEW, seed=77)
    fitting.score_unscored(store)
    assert mapping.lacks_points(store) == CELLS
    assert assessment.stale(store) == []  # it is not of a training patient
    jobs = Jobs(store.folder)
    mapping.place_new(store, jobs, "anna")
    newest = jobs.status()[0]
    assert (newest.job.kind, newest.state.state, mapping.lacks_points(store)) == (Kind.PLACE, "imported", 0)
    found = store.points(map_id(store), "R2").cluster.to_numpy()
    assert ((found == np.array(cluster_of_kind(store))[kinds()]) | (found == -1)).all()
    mapping.place_new(store, jobs, "anna")
    assert len(jobs.status()) == 2  # nothing was left to do


def replace_map(store: Store, name: str) -> None:
    """Put another map with one point in use."""
    spool = store.folder.parent / name
    write_bundle(spool / "map", kind="map", parameters={"map_id": name}, inputs={}, tables={}, arrays={})
    point = pd.DataFrame({"cell_id": store.cells("R1").cell_id[:1], "x": [1.0], "y": [2.0], "cluster": [0]})
    inputs = {"map_id": name}
    write_bundle(spool / "points", kind="points", parameters={}, inputs=inputs, tables={"points": point}, arrays={})
    store.add_map(spool / "map", name, {"encoder_id": ENCODER, "notes": []}, reader="anna", session="tests")
    store.add_points(spool / "points")
    store.activate_model(name, reader="anna", session="tests", reason="another")


def test_points_are_kept_of_the_map_in_use_and_the_one_before(mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        first, before = map_id(store), all_points(store)

        def kept() -> list[int]:
            return [store.map_counts(name, "")[0] for name in (first, "map-b", "map-c")]

        replace_map(store, "map-b")
        assert kept() == [4 * CELLS, 1, 0]
        replace_map(store, "map-c")
        assert kept() == [0, 1, 1]
    with Store.open(mapped_store) as store:
        assert (store.problems, kept()) == ((), [0, 1, 1])  # opening brings none of them back
        store.activate_model(first, reader="anna", session="tests", reason="back")
        assert kept() == [4 * CELLS, 0, 1]
        pd.testing.assert_frame_equal(all_points(store), before)


def test_changes_make_the_map_stale(store: Store, tmp_path: Path) -> None:
    assert assessment.stale(store) == []
    label(store, "R1", 0, Label.CTC)
    assert assessment.stale(store) == []  # labels of reviewed patients are not used
    label(store, "E1", 80, Label.CTC)
    assert assessment.stale(store) == ["Labels of test patients were added or changed."]
    label(store, "T1", 70, Label.NON_CTC)
    fitting.fit(store, store.folder / "models", ENCODER, reader="anna", session="tests")
    add_cartridge(store, tmp_path, "T3", Role.TRAIN, seed=78)
    assert assessment.stale(store) == [
        "The classifier was fitted again.",
        "Labels of training patients were added or changed.",
        "Labels of test patients were added or changed.",
        "Cells of training patients were added.",
    ]


# ---- when it does not work ------------------------------------------------------------------------------------------


def test_without_a_classifier_the_request_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data") as store:
        state = mapping.here(store, Jobs(store.folder), Kind.MAP, "anna")
    message = "No classifier is active. Label cells of training patients, then run: python -m ctc_core fit."
    assert state == JobState("refused", message=message)


def test_a_cancelled_map_leaves_everything_as_it_was(unmapped_store: Path) -> None:
    with Store.open(unmapped_store) as store:
        jobs = Jobs(store.folder)
        job_id = jobs.request(Kind.MAP, "anna")
        assert mapping.prepare(store, jobs, job_id, PARAMETERS)
        head = store.journal.head
        mapping.run(jobs, job_id, lambda done, *_: jobs.cancel(job_id) if done == 0 else None)
        assert (jobs.state(job_id).state, jobs.state(job_id).message) == (
            "cancelled",
            "Cancelled; nothing was changed.",
        )
        assert (store.active_model("map"), store.journal.head) == (None, head)
        jobs.retry(job_id)
        assert jobs.in_state("requested") == [job_id]


def test_a_request_cancelled_while_it_is_prepared_stays_so(unmapped_store: Path) -> None:
    with Store.open(unmapped_store) as store:
        jobs = Jobs(store.folder)
        job_id = jobs.request(Kind.MAP, "anna")
        jobs.cancel(job_id)
        assert not mapping.prepare(store, jobs, job_id)
        assert jobs.state(job_id).state == "cancelled"


def test_labels_of_one_patient_rank_nothing() -> None:
    rows = pd.DataFrame({"cell_id": list("abcd"), "patient": "p", "label": [0, 1, 0, 1]})
    found, notes = mapping._held_out(np.zeros((4, 128), np.float32), rows, "e", lambda *_: None)
    assert np.isnan(found).all()
    assert notes[0].startswith("Strong and weak areas cannot be told apart. Labels of 1 training patients")


def test_jobs_of_before_are_ingests(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job_id = jobs.create(tmp_path / "1.1", "p", Role.REVIEW, "anna")
    path = tmp_path / "jobs" / job_id / "job.json"
    values = json.loads(path.read_text())
    del values["kind"]
    path.write_text(json.dumps(values))
    created = values["created"]
    assert jobs.job(job_id) == Job(job_id, str(tmp_path / "1.1"), "p", Role.REVIEW, "anna", created, Kind.INGEST)


def test_stages_share_one_bar() -> None:
    seen: list[int] = []
    progress: Progress = lambda done, total, note: seen.append(done)  # noqa: E731
    for done in (0, 1, 4):
        mapping._stage(progress, 40, 60)(done, 4, "")
    assert seen == [40, 45, 60]


def test_a_damaged_map_is_reported(store: Store) -> None:
    folder = mapping.active_map(store).folder
    (folder / "cells_xy.npy").write_bytes(b"")
    assert [problem.split(":")[0] for problem in verify(store).problems] == [f"Map {map_id(store)}"]
