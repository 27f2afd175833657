"""The pages of the relabelling loop: what they say before there is anything, a round from start to leave, figures."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ctc_core.store import RoundDraft, Store, relabelling
from ctc_core.types import Decision, Label, Role
from ctc_core.ui import relabel, relabel_outcome, relabel_start
from ctc_core.ui.desk import open_desk
from ctc_core.ui.relabel import gallery_rows
from ctc_core.ui.relabel_noise import PAGE
from ctc_core.ui.relabel_rounds import csv, figures_over_rounds, rounds_table
from ctc_core.ui.relabel_start import has_training_cells
from tests.mapped_store import label, label_many
from tests.pages.conftest import OpenApp
from tests.small_store import ENCODER

QUEUE, ROUNDS = "pages/relabel/queue.py", "pages/relabel/rounds.py"


def figures(cluster: int | None, f1: float | None, *, enough: bool = True, n_ctc: int = 10) -> dict[str, Any]:
    low, high = (None, None) if f1 is None else (max(0.0, f1 - 0.1), min(1.0, f1 + 0.1))
    known = {"cluster": cluster, "n": 40, "n_ctc": n_ctc, "enough": enough, "f1": f1, "low": low, "high": high}
    return known | {"precision": f1, "recall": f1, "balanced_accuracy": f1}


BEFORE = {"model_id": "old", "total": figures(None, 0.7), "clusters": [figures(0, 0.5), figures(1, 0.9, enough=False)]}
AFTER = {"model_id": "new", "total": figures(None, 0.8), "clusters": [figures(0, 0.65), figures(1, 1.0, n_ctc=0)]}
OUTCOME = {
    "before": BEFORE, "after": AFTER, "flips": [], "labels": {"ctc": 1, "non-ctc": 0, "artifact": 0, "unsure": 0},
    "notes": [],
}  # fmt: skip


def open_round(store: Store, numbers: range, reader: str = "anna", name: str = "T1") -> str:
    """A round of some cells of a cartridge that nobody has labelled."""
    ids = tuple(store.cells(name).cell_id[list(numbers)])
    why, clusters = ("Typical of its cluster.",) * len(ids), (0,) * len(ids)
    asked = RoundDraft(
        encoder_id=ENCODER, strategy="random", cell_ids=ids, reasons=why, clusters=clusters,
        probabilities=(0.25,) * len(ids), summary="Cells at random.", minutes=5,
    )  # fmt: skip
    return store.open_round(asked, reader=reader, session="tests").round_id


def finish(store: Store, round_id: str) -> None:
    known = store.active_model("classifier")
    assert known is not None
    store.add_model("new", "classifier", known.folder, known.parameters, reader="anna")
    store.finish_round(round_id, model_after="new", outcome=OUTCOME, reader="anna", session="tests")


def captions(at: AppTest) -> list[str]:
    return [caption.value for caption in at.caption]


def written(data_dir: Path) -> str:
    """The journal as text."""
    return "\n".join(path.read_text() for path in (data_dir / "journal").glob("*.jsonl"))


def test_empty_stores_say_what_to_do(open_app: OpenApp) -> None:
    at = open_app(QUEUE)
    assert not at.exception
    assert [heading.value for heading in at.subheader] == ["No cartridge has been read yet"]
    assert [link.value for link in at.page_link] == ["Go to Ingest"]
    at = open_app(ROUNDS)
    assert not at.exception
    assert [heading.value for heading in at.subheader] == ["No round has been read yet"]


def test_without_a_training_patient(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    at = open_app(QUEUE)
    assert not at.exception
    assert [heading.value for heading in at.subheader] == ["There is no training patient yet"]


def test_form_lists_the_strategies_and_takes_the_cluster_of_the_map(open_app: OpenApp, mapped_store: Path) -> None:
    at = open_app(QUEUE, cluster="1")  # as the map's button does
    assert not at.exception
    options = at.radio(key="relabel_strategy").options
    assert [name for name in options if "recommended" in name] == options[:1] == ["Closest to the limit (recommended)"]
    assert at.selectbox(key="relabel_cluster").value == "1"
    assert at.number_input(key="relabel_n").value == 100


def test_a_round_is_started_and_left(open_app: OpenApp, mapped_store: Path) -> None:
    at = open_app(QUEUE)
    at.radio(key="relabel_strategy").set_value("random")
    at.number_input(key="relabel_n").set_value(7)
    at.button[0].click().run()
    assert not at.exception
    assert any(caption.value.startswith("Round 1, Random. ") for caption in at.caption)
    at.text_input(key="relabel_leave_reason").set_value("called away").run()
    at.button(key="relabel_leave").click().run()
    assert not at.exception
    assert at.radio(key="relabel_strategy").value == "margin"


def test_queue_tells_nothing_of_other_readers(mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        round_id = open_round(store, range(60, 64), reader="bela")
        label(store, "T1", 60, None, "nothing")
        rows = gallery_rows(store.queue(round_id), show_score=False)
        assert list(rows.cluster) == ["Cluster 0"] * 4
        assert list(rows.why) == ["Typical of its cluster."] * 4
        assert rows.own.isna().all()


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("The classifier is unsure here (P = 0.50).", "The classifier is unsure here."),
        ("To check what is sure (P = 0.97, cluster 3); so.", "To check what is sure (cluster 3); so."),
        ("Farthest from all labels (2.5).", "Farthest from all labels (2.5)."),
    ],
)
def test_a_reason_does_not_tell_the_score_that_is_hidden(reason: str, told: str) -> None:
    queue = pd.DataFrame({"cell_id": ["c-1"], "reason": [reason], "cluster": [np.nan], "label": [None]})
    assert [gallery_rows(queue, show_score=shown).why[0] for shown in (True, False)] == [reason, told]


def test_others_are_named_not_shown(open_app: OpenApp, mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        open_round(store, range(60, 64), reader="bela")
    at = open_app(QUEUE)
    assert "bela reads a round of 4 cells now; none of them is shown to you." in captions(at)
    assert not [button for button in at.button if button.label == "Close the round"]  # eight hours have not passed


def test_a_forgotten_round_is_closed_for_its_reader(
    open_app: OpenApp, mapped_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(mapped_store) as store:
        round_id = open_round(store, range(60, 64), reader="bela")
    for module in (relabel_start, relabelling):
        monkeypatch.setattr(module, "ABANDONED_AFTER", timedelta(0))
    at = open_app(QUEUE)
    assert "56 cells of training patients are not labelled and can be asked for." in captions(at)
    at.text_input(key=f"relabel_reason_{round_id}").set_value("bela is on leave").run()
    at.button(key=f"relabel_close_{round_id}").click().run()
    assert not at.exception
    assert "60 cells of training patients are not labelled and can be asked for." in captions(at)
    assert "bela is on leave" in written(mapped_store)


def test_an_empty_pool_is_said_before_the_round(open_app: OpenApp, mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        for name in ("T1", "T2"):
            label_many(store, name, 90)
    at = open_app(QUEUE)
    assert at.info[0].value.startswith("Every cell of the training patients is labelled, set aside, or in somebody's")


# ---- finishing waits for the browser ---------------------------------------------------------------------------------


def asks_to_drain(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What the page hands to the gallery, to be called when nothing waits in the browser; filled by each run."""
    asked: list[Callable[[], None]] = []
    monkeypatch.setattr(relabel, "gallery", lambda *a, drain, **k: asked.append(drain) if drain else None)
    return asked


def test_a_round_is_finished_once_the_browser_has_sent_everything(
    open_app: OpenApp, mapped_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(mapped_store) as store:
        round_id = open_round(store, range(60, 64))
        label(store, "T1", 60, Label.CTC)
    asked, finished = asks_to_drain(monkeypatch), list[str]()
    monkeypatch.setattr(relabel, "request_finish", lambda jobs, round_id, reader: finished.append(round_id))
    at = open_app(QUEUE)
    assert not asked
    at.button(key="relabel_finish").click().run()
    assert (len(asked), finished) == (1, [])  # it waits
    at.button(key="relabel_go_on").click().run()
    assert (len(asked), at.button(key="relabel_finish").label) == (1, "Finish the round")
    at.button(key="relabel_finish").click().run()
    monkeypatch.setattr(relabel, "gallery", lambda *a, drain, **k: drain() if drain else None)
    at.run()
    assert not at.exception
    assert finished == [round_id]


def test_nothing_to_finish(open_app: OpenApp, mapped_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(mapped_store) as store:
        open_round(store, range(60, 64))
    monkeypatch.setattr(relabel, "gallery", lambda *a, drain, **k: drain() if drain else None)
    at = open_app(QUEUE)
    at.button(key="relabel_finish").click().run()
    assert "Label at least one cell first, or leave the round." in captions(at)


def test_outcome_in_words() -> None:
    table = relabel_outcome.compared(OUTCOME)
    assert table.to_numpy().tolist() == [
        ["All cells", "40", "10", "0.70 (0.60 to 0.80)", "0.80 (0.70 to 0.90)", "+0.10"],
        ["Cluster 0", "40", "10", "0.50 (0.40 to 0.60)", "0.65 (0.55 to 0.75)", "+0.15"],
        ["Cluster 1", "40", "0", "not enough labels", "no CTC and no false CTC", "–"],
    ]


def test_flips_are_parted_by_who_is_right() -> None:
    flips = [
        {"cell_id": "a", "label": 1, "before": 0.4, "after": 0.6},
        {"cell_id": "b", "label": 0, "before": 0.4, "after": 0.6},
    ]
    right, wrong = relabel_outcome.flip_rows(flips)
    assert (right.heading, right.cell_ids, right.captions) == (
        "Right now, wrong before: 1", ("a",), ("CTC, P 0.40 to 0.60",),
    )  # fmt: skip
    assert (wrong.heading, wrong.cell_ids) == ("Wrong now, right before: 1", ("b",))


def test_activation_needs_a_reason_and_is_in_the_journal(open_app: OpenApp, mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        round_id = open_round(store, range(60, 64))
        label(store, "T1", 60, None, "nothing")
        finish(store, round_id)
    at = open_app(QUEUE)
    assert not at.exception
    assert at.subheader[0].value == "Round 1 is finished"
    use = next(button for button in at.button if button.label == "Use the new classifier")
    use.click().run()
    assert [error.value for error in at.error] == ["Give a reason: others will want to know why."]
    at.text_input(key="relabel_reason").set_value("better in cluster 0")
    next(button for button in at.button if button.label == "Use the new classifier").click().run()
    assert not at.exception
    assert [message.value for message in at.success] == ["The new classifier is in use."]
    assert '"kind":"activate"' in written(mapped_store)
    assert "better in cluster 0" in written(mapped_store)


def test_keeping_the_present_one_is_in_the_journal(open_app: OpenApp, mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        finish(store, open_round(store, range(60, 64)))
    at = open_app(QUEUE)
    at.text_input(key="relabel_reason").set_value("worse in cluster 1")
    next(button for button in at.button if button.label == "Keep the present one").click().run()
    assert not at.exception
    assert "The present classifier was kept: worse in cluster 1. The new one stays in the store." in captions(at)
    assert "worse in cluster 1" in written(mapped_store)


def test_rounds_page(open_app: OpenApp, mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        finish(store, open_round(store, range(60, 64)))
        table, rows = rounds_table(store, store.rounds()), figures_over_rounds(store, store.rounds())
    assert list(table[["Reader", "Round", "Labels", "State", "F1 after"]].iloc[0]) == [
        "anna", 1, "0 of 4", "finished", "0.80 (0.70 to 0.90)",
    ]  # fmt: skip
    assert rows[["round", "cluster", "f1"]].astype(object).where(rows.f1.notna(), None).to_numpy().tolist() == [
        [0, "All cells", 0.7], [0, "Cluster 0", 0.5], [None, None, None],
        [1, "All cells", 0.8], [1, "Cluster 0", 0.65], [1, "Cluster 1", 1.0],
    ]  # fmt: skip
    at = open_app(ROUNDS)
    assert not at.exception
    assert [heading.value for heading in at.subheader] == ["F1 over rounds", "Replay"]


def test_formulas_do_not_leave_as_formulas() -> None:
    assert csv(pd.DataFrame({"Reader": ["=1+1", "anna"], "n": [-1, 2]})) == b"Reader,n\n'=1+1,-1\nanna,2\n"


def test_conflicts_are_settled_with_a_reason(open_app: OpenApp, mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        cell = str(store.cells("T1").cell_id[1])
        store.decide([Decision("b-1", "T1", cell, None, Label.CTC, "bela", "tests")])
    at = open_app()
    at.session_state["rounds_tab"] = "Agreement"
    at.switch_page(ROUNDS).run()
    assert not at.exception
    assert "To be settled" in [heading.value for heading in at.subheader]
    at.radio[0].set_value("ctc")
    at.button[0].click().run()
    assert len(at.error) == 1
    at.text_input[0].set_value("seen together")
    at.button[0].click().run()
    assert not at.exception
    assert "There is no cell about which readers disagree." in [caption.value for caption in at.caption]


def test_a_click_settles_no_other_cell_than_the_one_that_was_chosen(open_app: OpenApp, mapped_store: Path) -> None:
    """Another expert settles the first of three meanwhile, so that the list moves up."""
    with Store.open(mapped_store) as store:
        cells = [str(store.cells("T1").cell_id[number]) for number in (1, 2, 4)]
        store.decide([Decision(cell, "T1", cell, None, Label.CTC, "bela", "tests") for cell in cells])
    at = open_app()
    at.session_state["rounds_tab"] = "Agreement"
    at.switch_page(ROUNDS).run()
    at.selectbox[0].select_index(2)
    at.radio[0].set_value("ctc")
    at.text_input[0].set_value("seen together")
    store = open_desk().store
    store.adjudicate(cells[0], Label.NON_CTC, reader="eva", session="s", reason="first")
    at.button[0].click().run()
    assert not at.exception
    settled = store.audit(kinds=["adjudicate"])
    assert settled.subject.tolist() == [f"T1/{cells[0]}"]


def test_training_cells_are_needed(mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        assert set(store.patients().role) >= {Role.TRAIN.value}
        assert has_training_cells(store)


def test_rejects_of_the_noise_filter_are_given_back(open_app: OpenApp, mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        known = store.active_model("classifier")
        assert known is not None
        store.add_model("noise-1", "noise", known.folder, {"encoder_id": ENCODER}, reader="tests")
        store.activate_model("noise-1", reader="tests", session="tests")
        cells = list(store.relabel_pool(ENCODER).cell_ids[:23])
        store.save_rejects("noise-1", cells, np.linspace(0.5, 0.9, 23))
    at = open_app(QUEUE)
    at.session_state["relabel_aside"] = True
    at.run()
    assert not at.exception
    at.session_state[f"relabel_back_{'|'.join(cells[:PAGE])}"] = [2, 3]
    at.run()
    at.text_input(key="relabel_back_reason").set_value("these are cells").run()
    next(button for button in at.button if button.label == "Give these cells back").click().run()
    assert not at.exception
    st.cache_resource.clear()  # closes the store
    with Store.open(mapped_store) as store:
        left = list(store.set_aside(ENCODER).cell_id)
    assert left == [cells[0], *cells[3:]]
