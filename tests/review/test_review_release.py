"""Releasing decisions to training: only a signed-off reviewed patient's, with a reason, kept in the journal."""

import json
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctc_core.cli import app
from ctc_core.errors import UserError
from ctc_core.release import release, standing
from ctc_core.report.sign import draft, sign
from ctc_core.store import Store
from ctc_core.types import Decision, Label, Role
from tests.small_store import CARTRIDGE, ENCODER, PATIENT, build_small_store


def signed(data: Path) -> str:
    """A store in which one cell is decided and the report signed; the cell."""
    build_small_store(data)
    with Store.open(data) as store:
        cell = str(store.cells(CARTRIDGE).cell_id[0])
        store.decide([Decision(uuid.uuid4().hex, CARTRIDGE, cell, None, Label.CTC, "anna", "s")])
        sign(store, draft(store, CARTRIDGE, 0.5), name="anna", reason="All read.", reader="anna", session="s")
    return cell


def test_decisions_train_from_then_on_and_the_journal_says_why(tmp_path: Path) -> None:
    cell = signed(tmp_path / "data")
    with Store.open(tmp_path / "data") as store:
        assert store.training_pool(ENCODER).cell_ids == ()
        now = release(store, PATIENT, reader="eva", session="s", reason="  Typical ghosts. ")
        assert (now.role, now.why_not) == (Role.TRAIN, f"{PATIENT} is a training patient already.")
        assert store.training_pool(ENCODER).cell_ids == (cell,)
        (entry,) = (entry for entry in store.journal.entries() if entry.kind == "role")
    assert (entry.subject, entry.old, entry.new, entry.reader, entry.reason) == (
        PATIENT, "review", "train", "eva", "Typical ghosts.",
    )  # fmt: skip


def test_refusals_change_nothing(tmp_path: Path) -> None:
    build_small_store(tmp_path / "data")
    with Store.open(tmp_path / "data") as store:
        with pytest.raises(UserError, match=f"{CARTRIDGE}: no signed report. Sign one on the Report page first."):
            release(store, PATIENT, reader="eva", session="s", reason="why")
        with pytest.raises(UserError, match="nobody: no cartridge of this patient"):
            standing(store, "nobody")
        assert standing(store, PATIENT).role is Role.REVIEW


def test_a_reason_is_needed(tmp_path: Path) -> None:
    signed(tmp_path / "data")
    with Store.open(tmp_path / "data") as store:
        with pytest.raises(UserError, match="needs a reason"):
            release(store, PATIENT, reader="eva", session="s", reason="  ")
        assert standing(store, PATIENT).role is Role.REVIEW


def test_a_test_patient_is_never_released(unmapped_store: Path) -> None:
    with Store.open(unmapped_store) as store:
        sign(store, draft(store, "E1", 0.5), name="anna", reason="All read.", reader="anna", session="s")
        with pytest.raises(UserError, match="Test patients never train"):
            release(store, "E1", reader="eva", session="s", reason="why")
        assert standing(store, "E1").role is Role.TEST


def test_command(tmp_path: Path) -> None:
    signed(tmp_path / "data")
    words = ["--data", str(tmp_path / "data"), "--json", "release", PATIENT, "--reason", "Signed, typical."]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert told == {
        "pseudonym": PATIENT, "role": "train", "cartridges": [CARTRIDGE], "unsigned": [], "decided": 1,
    }  # fmt: skip
