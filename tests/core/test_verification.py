"""Verification beyond the journal: classifiers, scores and places on the map."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ctc_core import classify
from ctc_core.errors import StoreError
from ctc_core.store import Store, write_bundle
from ctc_core.verification import verify
from tests.commands import run
from tests.small_store import ENCODER


@pytest.fixture
def store(mapped_store: Path) -> Iterator[Store]:
    with Store.open(mapped_store) as opened:
        yield opened


def change(store: Store, statement: str) -> None:
    with store._database.write() as cur:
        cur.execute(statement)


def test_a_sound_desk(store: Store) -> None:
    assert verify(store).problems == ()


def test_a_score_changed_by_hand_is_named(store: Store) -> None:
    active, cell_id = store.active_model("classifier"), store.cells("R1").cell_id[7]
    assert active is not None
    true = store.predictions("R1", active.model_id).set_index("cell_id").probability[cell_id]
    change(store, f"UPDATE prediction SET probability = 0.4321 WHERE cell_id = '{cell_id}'")
    assert verify(store).problems == (
        (
            f"R1: P(CTC) of 1 of 90 cells is not what {active.model_id} says, as {cell_id}: 0.432 in the store,"
            f" {true:.3f}. Delete store.duckdb; it is filled and scored again."
        ),
    )


def test_a_score_of_a_classifier_that_is_not_in_use_is_checked_too(store: Store) -> None:
    """Who takes that classifier back takes the scores that it has."""
    pool, (cell_ids, vectors) = store.training_pool(ENCODER), store.vectors("R1", ENCODER)
    other = classify.fit(pool.vectors, 1 - pool.labels, pool.cell_ids, encoder_id=ENCODER)
    folder = classify.save(other, store.folder / "models" / "other")
    noted = {"encoder_id": ENCODER, "weights_sha256": other.weights_sha256}
    store.add_model(other.id, "classifier", folder, noted, reader="anna")
    store.save_predictions(other.id, cell_ids, other.probabilities(vectors))
    assert verify(store).ok
    change(
        store,
        f"UPDATE prediction SET probability = 0.4321 WHERE (model_id, cell_id) = ('{other.id}', '{cell_ids[3]}')",
    )
    (problem,) = verify(store).problems
    assert problem.startswith(f"R1: P(CTC) of 1 of 90 cells is not what {other.id} says, as {cell_ids[3]}: ")


def test_scores_that_cannot_be_read_are_no_scores_that_are_right(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("The store refused (out of memory).")

    monkeypatch.setattr(Store, "predictions", refuse)
    expected = ("Scores cannot be compared: The store refused (out of memory).",)
    assert verify(store).problems == expected
    store.close()
    assert verify(store.folder).problems == expected


def test_scores_that_lack_are_no_difference(store: Store) -> None:
    """They are made when the desk starts, as after a restore."""
    change(store, "DELETE FROM prediction")
    assert verify(store).ok


def test_another_classifier_in_the_place_of_the_one_in_use_is_named(store: Store) -> None:
    """Sound in itself, its own config with its own hash: only the journal knows that it is not the one."""
    active = store.active_model("classifier")
    assert active is not None
    loaded = classify.load(active.folder)
    pool = store.training_pool(ENCODER)
    other = classify.fit(pool.vectors, 1 - pool.labels, pool.cell_ids, encoder_id=ENCODER)
    forged = classify.Classifier(loaded.id, ENCODER, other.parameters, other.n_ctc, other.n_other, other.pipeline)
    shutil.rmtree(active.folder)
    classify.save(forged, active.folder)
    expected = f"Model {active.model_id}: {active.folder} holds another one. Restore the folder from a backup."
    assert verify(store).problems == (expected,)
    shutil.rmtree(active.folder)
    (problem,) = verify(store).problems
    assert problem.startswith(f"Model {active.model_id}: {active.folder / 'config.json'}: not a model's config")


@pytest.mark.parametrize(
    ("statement", "ending"),
    [
        ("UPDATE latent_point SET cluster = 99", ": cluster is 99 in the store, {} in its bundles."),
        ("DELETE FROM latent_point", " is in its bundles and not in the store."),
    ],
)
def test_a_cell_moved_on_the_map_is_named(store: Store, statement: str, ending: str) -> None:
    active = store.active_model("map")
    assert active is not None
    point = store.points(active.model_id, "R1").iloc[3]
    change(store, f"{statement} WHERE cell_id = '{point.cell_id}'")
    expected = f"Place on a map of {point.cell_id} {active.model_id}{ending.format(point.cluster)}"
    assert verify(store).problems == (expected,)


def test_a_changed_bundle_of_places_is_named(store: Store) -> None:
    (bundle,) = (store.folder / "bundles").glob("points-*")
    with (bundle / "points.parquet").open("r+b") as file:
        file.seek(-100, 2)
        file.write(b"\xff")
    problems = verify(store).problems
    assert problems[0].startswith(f"{bundle}: points.parquet was changed")
    assert problems[1].startswith("Place on a map of ") and problems[1].endswith("in the store and not in its bundles.")


def test_cells_placed_meanwhile_are_no_difference(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the bundles and that at the store's rows."""
    active, listed, look = store.active_model("map"), [], Store.bundles_of
    assert active is not None
    place = store.points(active.model_id, "R1")[["cell_id", "x", "y", "cluster"]].iloc[[3]]
    given = {"kind": "points", "parameters": {}, "inputs": {"map_id": active.model_id}, "arrays": {}}
    late = write_bundle(tmp_path / "late", tables={"points": place.assign(x=place.x + 1)}, **given)

    def look_and_place(store: Store, *of: object) -> list[Path]:
        found = look(store, *of)
        if not listed:
            listed.append(store.add_points(late))
        return found

    monkeypatch.setattr(Store, "bundles_of", look_and_place)
    assert verify(store).ok and listed == [1]


def test_the_command(capsys: pytest.CaptureFixture[str], mapped_store: Path) -> None:
    found = run(capsys, mapped_store, "verify")
    assert (found["ok"], found["problems"]) == (True, [])
    assert run(capsys, mapped_store, "verify", "--hash", found["head"])["ok"]
    with Store.open(mapped_store) as store:
        store.save_predictions(store.models()[0].model_id, [store.cells("R1").cell_id[0]], np.array([0.123]))
    run(capsys, mapped_store, "verify", "--hash", found["head"], code=1)
    problems = verify(mapped_store, ["0" * 64]).problems
    assert [problem.split(":")[0] for problem in problems] == ["0" * 64, "R1"]
