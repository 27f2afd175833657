"""Which cells may be asked for, and the noise filter's rejects."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ctc_core.errors import StoreError
from ctc_core.store import RoundDraft, Store
from ctc_core.types import Decision, Label, Role

MakeBundle = Callable[..., Path]
ENCODER = "encoder-0"
CELLS = tuple(f"T1-001-{100 + i:04d}-0050" for i in range(8))


@pytest.fixture
def desk(store: Store, make_bundle: MakeBundle) -> Store:
    """Cartridge T1 (8 cells) of a training patient, and one of 2 cells of every other role."""
    for role in Role:
        store.add_patient(role.name, role, "ann", "s1")
    store.add_bundle(make_bundle("T1", "TRAIN", cells=8))
    for role in (Role.TEST, Role.REVIEW, Role.ENCODER):
        store.add_bundle(make_bundle(role.name, role.name, cells=2))
    return store


def say(store: Store, cell_id: str, label: Label | None, reader: str = "ann") -> None:
    store.decide([Decision(f"d{store.journal.head[0]}", "T1", cell_id, None, label, reader, "s1")])


def noise(store: Store, model_id: str, *rejected: str) -> None:
    store.add_model(model_id, "noise", store.folder / "models" / model_id, {"encoder_id": ENCODER}, "ann")
    store.activate_model(model_id, "ann", "s1", "newer")
    store.save_rejects(model_id, rejected, np.linspace(0.9, 0.5, len(rejected)))


def test_the_pool_holds_unread_cells_of_training_patients(desk: Store) -> None:
    assert desk.relabel_pool(ENCODER).cell_ids == CELLS
    for cell_id, label in zip(CELLS, (Label.CTC, Label.UNSURE, Label.ARTIFACT, Label.CTC), strict=False):
        say(desk, cell_id, label)
    say(desk, CELLS[3], None)  # withdrawn: nobody has read it
    say(desk, CELLS[0], Label.NON_CTC, "bob")  # a conflict is read
    asked = RoundDraft(encoder_id=ENCODER, strategy="random", cell_ids=(CELLS[4],))
    opened = desk.open_round(asked, reader="bob", session="s1")
    noise(desk, "noise-1", CELLS[5])
    pool = desk.relabel_pool(ENCODER)
    assert (pool.cell_ids, pool.cartridge_ids.tolist()) == ((CELLS[3], CELLS[6], CELLS[7]), ["T1"] * 3)
    assert (pool.vectors.dtype, pool.vectors.shape, pool.vectors[:, 7].tolist()) == (np.float32, (3, 128), [3, 6, 7])
    desk.finish_round(opened.round_id, model_after=None, outcome={}, reader="bob", session="s1")
    assert CELLS[4] in desk.relabel_pool(ENCODER).cell_ids  # asked for, and not read
    none = desk.relabel_pool("another")
    assert (none.cell_ids, none.vectors.shape, none.cartridge_ids.shape) == ((), (0, 128), (0,))


def test_a_part_of_the_pool_depends_on_the_seed_only(desk: Store) -> None:
    parts = [desk.relabel_pool(ENCODER, at_most=5, seed=seed) for seed in (1, 1, 2, 3)]
    assert parts[0].cell_ids == parts[1].cell_ids == tuple(sorted(parts[0].cell_ids))
    assert len({part.cell_ids for part in parts}) == 3
    for part in parts:
        assert [CELLS[int(value)] for value in part.vectors[:, 0]] == list(part.cell_ids)
    assert len(desk.relabel_pool(ENCODER, at_most=100).cell_ids) == 8


def test_rejected_cells_are_set_aside_and_given_back(desk: Store) -> None:
    assert desk.set_aside(ENCODER).empty
    assert desk.give_back(CELLS, reader="ann", session="s1") == 0
    noise(desk, "noise-1", CELLS[5], CELLS[6], CELLS[7])
    found = desk.set_aside(ENCODER)
    assert found[["cell_id", "cartridge_id", "crop_index"]].to_numpy().tolist() == [
        *([CELLS[7], "T1", 7], [CELLS[6], "T1", 6], [CELLS[5], "T1", 5])
    ]
    assert found.probability.tolist() == pytest.approx([0.5, 0.7, 0.9])
    assert desk.give_back([CELLS[6], CELLS[6], CELLS[0], "nothing"], reader="eva", session="s1", reason="a cell") == 1
    assert desk.audit(1)[["kind", "reader", "subject", "new", "reason"]].to_numpy().tolist() == [
        ["give-back", "eva", "noise-1", f'["{CELLS[6]}"]', "a cell"]
    ]
    assert (desk.set_aside(ENCODER).cell_id.tolist(), desk.give_back([CELLS[6]], reader="eva", session="s1")) == (
        [CELLS[7], CELLS[5]],
        0,
    )
    assert desk.relabel_pool(ENCODER).cell_ids == (*CELLS[:5], CELLS[6])
    noise(desk, "noise-2", CELLS[0], CELLS[6])  # another filter: other cells, and what was given back stays so
    assert (desk.set_aside(ENCODER).cell_id.tolist(), desk.given_back()) == ([CELLS[0]], {CELLS[6]})
    assert desk.relabel_pool(ENCODER).cell_ids == CELLS[1:]
    assert desk.set_aside("another").empty


def test_rejects_belong_to_a_known_noise_filter(desk: Store) -> None:
    desk.add_model("svm-1", "classifier", desk.folder / "models" / "svm-1", {}, "ann")
    for model_id in ("svm-1", "nothing"):
        with pytest.raises(StoreError, match=f"{model_id}: no model of the kind noise"):
            desk.save_rejects(model_id, CELLS[:1], np.array([0.9]))
    noise(desk, "noise-1", CELLS[0])
    desk.save_rejects("noise-1", CELLS[1:2], np.array([0.9], np.float32))  # of a cartridge that came later
    assert sorted(desk.set_aside(ENCODER).cell_id) == list(CELLS[:2])


def test_a_bundle_of_rejects_that_was_damaged_is_named(desk: Store) -> None:
    noise(desk, "noise-1", CELLS[0])
    folder = desk.folder
    desk.close()
    (folder / "store.duckdb").unlink()
    (bundle,) = (folder / "bundles").glob("noise-*")
    (bundle / "rejected.parquet").write_bytes(b"x")
    with Store.open(folder) as again:
        (problem,) = again.problems
        assert problem.startswith(
            f"Cells set aside as noise are asked for again. {bundle}: rejected.parquet was changed"
        )


def test_a_pool_of_before_knows_the_roles_of_before(desk: Store, make_bundle: MakeBundle) -> None:
    cell = "REVIEW-001-0100-0050"
    desk.decide([Decision("r1", "REVIEW", cell, None, Label.CTC, "ann", "s1")])
    then = desk.journal.head[0]
    desk.set_role("REVIEW", Role.TRAIN, "eva", "s2", "signed off")
    assert desk.training_pool(ENCODER).cell_ids == (cell,)
    assert desk.training_pool(ENCODER, until=then).cell_ids == ()
    assert desk.evaluation_pool(ENCODER, until=then).cell_ids == ()
