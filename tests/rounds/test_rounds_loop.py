"""One round from the store to a new classifier and back, as owner, worker and expert do it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ctc_core import fitting, job_kinds, rounds
from ctc_core.errors import UserError
from ctc_core.jobs import Jobs, JobState, Kind
from ctc_core.networks import Networks
from ctc_core.rounds.evidence import Judged, Known, validated
from ctc_core.rounds.situation import left_to_ask, situation
from ctc_core.settings import Settings
from ctc_core.store import Round, Store, verify
from ctc_core.types import Decision, Label
from tests.mapped_store import kinds, label_all


@pytest.fixture
def store(mapped_store: Path) -> Iterator[Store]:
    with Store.open(mapped_store) as opened:
        yield opened


def truth(store: Store) -> dict[str, Label]:
    """Of every cell of the training patients: kind 0 are CTCs."""
    return {
        cell_id: Label.CTC if kind == 0 else Label.NON_CTC
        for name in ("T1", "T2")
        for cell_id, kind in zip(store.cells(name).cell_id, kinds(), strict=True)
    }


def start(store: Store, strategy: str = "random", n: int = 12, **asked: object) -> Round:
    given = {"strategy": strategy, "n": n, "seed": 1, "reader": "berta", "session": "s", **asked}
    return rounds.start_round(store, **given)  # type: ignore[arg-type]


def finish(store: Store, round_id: str) -> JobState:
    return rounds.finish_here(store, Jobs(store.folder), round_id, "berta")


# ---- the whole loop --------------------------------------------------------------------------------------------------


def test_a_round_from_evidence_to_the_new_classifier(store: Store) -> None:
    before = store.active_model("classifier")
    assert before is not None
    opened = start(store, "inverse-f1", minutes=5)
    queue = store.queue(opened.round_id)
    assert (opened.strategy, opened.model_before, opened.minutes, len(queue)) == (
        "inverse-f1",
        before.model_id,
        5,
        12,
    )
    assert set(queue.cartridge_id) <= {"T1", "T2"} and queue.reason.str.endswith(".").all()
    assert not queue.cell_id.isin(store.training_pool(opened.encoder_id).cell_ids).any()
    assert rounds.simulated_expert(store, opened.round_id, truth(store)) == 12
    assert rounds.simulated_expert(store, opened.round_id, truth(store)) == 12  # again: acknowledged, not doubled
    assert store.round(opened.round_id).labelled == 12

    assert finish(store, opened.round_id).state == "imported"
    closed, outcome = store.round(opened.round_id), store.outcome(opened.round_id)
    after = outcome["after"]
    assert (closed.state, closed.model_after) == ("finished", after["model_id"])
    assert outcome["labels"] == {
        "ctc": int((queue.cell_id.map(truth(store)) == "ctc").sum()),
        "non-ctc": int((queue.cell_id.map(truth(store)) == "non-ctc").sum()),
        "unsure": 0,
        "artifact": 0,
    }
    assert outcome["before"]["model_id"] == before.model_id
    assert sum(outcome["before"]["trained"].values()) + 12 == sum(after["trained"].values()) == 132
    assert after["total"]["n"] == 75 == sum(row["n"] for row in after["clusters"])
    assert (outcome["why"], outcome["noise"], outcome["notes"]) == (None, None, [])
    json.dumps(outcome, allow_nan=False)
    assert verify(store).ok

    active = store.active_model("classifier")
    assert active is not None and active.model_id == before.model_id  # a person decides
    rounds.activate(store, after["model_id"], reader="berta", session="s", reason="better in cluster 2")
    last = store.audit(1).iloc[0]
    assert (last.kind, last.subject, last.reader, last.reason) == (
        "activate",
        after["model_id"],
        "berta",
        "better in cluster 2",
    )
    assert before.model_id in {model.model_id for model in store.models()}
    fitting.score_unscored(store)
    assert len(store.predictions("R1", after["model_id"])) == 90


def test_the_desk_and_the_worker_do_the_same(store: Store) -> None:
    jobs, opened = Jobs(store.folder), start(store)
    rounds.simulated_expert(store, opened.round_id, truth(store))
    job_id = rounds.request_finish(jobs, opened.round_id, "berta")
    job_kinds.prepare(store, jobs, job_id)
    assert jobs.state(job_id).state == "queued"
    job_kinds.run(jobs, job_id, Networks(Settings(data_dir=store.folder)))
    assert jobs.state(job_id).state == "finished" and store.round(opened.round_id).state == "open"
    for _ in range(2):  # once more, as after a crash between import and its note
        job_kinds.receive(store, jobs, job_id)
    status = rounds.finishing(jobs, opened.round_id)
    assert status is not None
    assert (status.job.kind, status.state.state, store.round(opened.round_id).state) == (
        Kind.REFIT,
        "imported",
        "finished",
    )
    again = rounds.request_finish(jobs, opened.round_id, "berta")
    job_kinds.prepare(store, jobs, again)
    assert jobs.state(again).state == "refused" and "finished already" in jobs.state(again).message


def test_a_past_round_is_fitted_again_from_the_journal(store: Store) -> None:
    opened = start(store)
    rounds.simulated_expert(store, opened.round_id, truth(store))
    finish(store, opened.round_id)
    noted = store.outcome(opened.round_id)
    label_all(store, "T2", dict.fromkeys(range(70, 80), Label.ARTIFACT), "later")  # some in place of old ones
    found = rounds.replay(store, opened.round_id)
    assert found == rounds.Replay(noted["after"]["model_id"], noted["weights_sha256"], same=True)
    now = store.training_pool(opened.encoder_id)
    then = store.training_pool(opened.encoder_id, until=noted["until"])
    assert len(now.cell_ids) > len(then.cell_ids)


def test_what_changed_is_listed(store: Store) -> None:
    """The readers take back all they have said and say the opposite: the new classifier calls everything otherwise."""
    opened = start(store, n=60)
    rounds.simulated_expert(store, opened.round_id, truth(store), error_rate=1.0)
    opposite = {"ctc": Label.NON_CTC, "non-ctc": Label.CTC}
    said = store.readings().query("reader == 'anna' and cartridge_id != 'E1'")
    store.decide(
        [
            Decision(f"turned-{c}", n, c, None, opposite[v], "anna", "s", why="turned")
            for c, n, _, v, _ in said.itertuples(index=False)
        ]
    )
    finish(store, opened.round_id)
    outcome = store.outcome(opened.round_id)
    assert (outcome["before"]["total"]["f1"], outcome["after"]["total"]["f1"]) == (1.0, 0.0)
    tested = store.evaluation_pool(opened.encoder_id)
    known = dict(zip(tested.cell_ids, tested.labels.tolist(), strict=True))
    assert {flip["cell_id"]: flip["label"] for flip in outcome["flips"]} == known
    for flip in outcome["flips"]:
        assert (flip["before"] >= 0.5) == (flip["label"] == 1) != (flip["after"] >= 0.5)


# ---- choosing --------------------------------------------------------------------------------------------------------


def test_a_proposal_changes_nothing_and_comes_again(store: Store) -> None:
    head = store.journal.head
    made = [rounds.propose(store, strategy="margin", n=10, seed=3, reader="berta") for _ in range(2)]
    assert made[0].cells.equals(made[1].cells) and store.journal.head == head
    probability = made[0].cells.probability.to_numpy()
    pool = made[0].situation.evidence.pool_probability
    assert np.sort(np.abs(pool - 0.5))[9] == pytest.approx(np.abs(probability - 0.5).max())


def test_a_label_and_a_round_change_what_is_kept(store: Store) -> None:
    first = situation(store)
    assert situation(store) is first and left_to_ask(store) == len(first.pool.cell_ids)
    asked, told = first.pool.cell_ids, len(first.evidence.train_label)
    number = store.cells("T1").cell_id.tolist().index(next(cell for cell in asked if cell.startswith("T1")))
    label_all(store, "T1", {number: Label.CTC}, "new")
    labelled = situation(store)
    assert len(set(asked) - set(labelled.pool.cell_ids)) == 1 and len(labelled.evidence.train_label) == told + 1
    assert left_to_ask(store) == len(asked) - 1
    queue = store.queue(start(store, n=5).round_id)
    assert set(labelled.pool.cell_ids) - set(situation(store).pool.cell_ids) == set(queue.cell_id)


def test_folds_are_fitted_again_when_labels_of_training_patients_change(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []

    def counted(features: NDArray[np.float32], train: Known) -> Judged:
        fitted.append(len(train.labels))
        return validated(features, train)

    monkeypatch.setattr("ctc_core.rounds.situation.validated", counted)
    first = situation(store)
    label_all(store, "R1", {0: Label.CTC, 1: Label.NON_CTC}, "read")
    again = situation(store)
    assert again is not first and again.evidence.cluster_f1 == first.evidence.cluster_f1 and len(fitted) == 1
    number = store.cells("T1").cell_id.tolist().index(next(c for c in first.pool.cell_ids if c.startswith("T1")))
    label_all(store, "T1", {number: Label.CTC}, "new")
    situation(store)
    assert fitted == [fitted[0], fitted[0] + 1]


def test_test_patients_never_choose(store: Store) -> None:
    """Turning all labels of the test patient round changes no proposal."""
    asked = {"n": 10, "seed": 3, "reader": "berta"}
    before = {name: rounds.propose(store, strategy=name, **asked).cells for name in ("real-world", "inverse-f1")}
    opposite = {number: Label.NON_CTC if kind == 0 else Label.CTC for number, kind in enumerate(kinds())}
    label_all(store, "E1", opposite, "turned")
    for name, cells in before.items():
        assert rounds.propose(store, strategy=name, **asked).cells.equals(cells)


def test_one_cluster_of_the_map(store: Store) -> None:
    chosen = int(rounds.propose(store, strategy="random", n=1, seed=0, reader="b").situation.pool.clusters[0])
    opened = start(store, "real-world", n=60, cluster=chosen)
    assert set(store.queue(opened.round_id).cluster) == {chosen} and opened.cluster == chosen


def test_two_experts_never_meet_a_cell(store: Store) -> None:
    first, second = start(store, n=25), start(store, n=60, reader="clara")
    cells = [set(store.queue(round_.round_id).cell_id) for round_ in (first, second)]
    assert (len(cells[0]), len(cells[1]), cells[0] & cells[1]) == (25, 35, set())


def test_blind_second_readings(store: Store) -> None:
    opened = start(store, n=20, second_share=0.25)
    queue = store.queue(opened.round_id)
    blind = queue[queue.blind]
    assert (len(queue), len(blind), set(blind.reason)) == (
        20,
        5,
        {"Drawn at random from the cells of training patients."},
    )
    read = store.readings().query("reader == 'anna'")
    assert blind.cell_id.isin(read.cell_id).all() and set(blind.cartridge_id) <= {"T1", "T2"}
    assert blind.label.isna().all() and blind.probability.notna().all()
    assert blind.position.tolist() != list(range(15, 20))  # among the others
    rounds.simulated_expert(store, opened.round_id, truth(store))
    assert len(store.conflicts()) == 0
    both = store.readings().groupby("cell_id").reader.nunique()
    assert (both == 2).sum() == 5


def test_an_expert_errs_at_the_given_rate(store: Store) -> None:
    opened = start(store, n=60)
    rounds.simulated_expert(store, opened.round_id, truth(store), error_rate=0.2, seed=5)
    queue = store.queue(opened.round_id)
    wrong = (queue.label != queue.cell_id.map(truth(store)).astype(str)).sum()
    assert 4 <= wrong <= 22  # 99.9 % of Binomial(60, 0.2)


# ---- the noise filter ------------------------------------------------------------------------------------------------


def test_artifacts_make_a_noise_filter(store: Store) -> None:
    """An expert calls kind 2 artifacts: unread cells of that kind leave the pool, and can be given back."""
    for name in ("T1", "T2"):
        numbers = np.flatnonzero(kinds(60) == 2)[:15].tolist()
        label_all(store, name, dict.fromkeys(numbers, Label.ARTIFACT), "artifact")
    opened = start(store, n=6)
    encoder = opened.encoder_id
    assert finish(store, opened.round_id).state == "imported"
    noise = store.outcome(opened.round_id)["noise"]
    active = store.active_model("noise")
    assert active is not None and active.model_id == noise["model_id"]
    assert (noise["artifacts"], noise["clean"]) == (30, 90)
    kind = {c: k for name in ("T1", "T2") for c, k in zip(store.cells(name).cell_id, kinds(), strict=True)}
    aside = set(store.set_aside(encoder).cell_id)
    unread = [c for c in kind if c not in set(store.readings().cell_id)]
    noisy = {c for c in unread if kind[c] == 2}
    assert noisy <= aside
    assert not noisy & set(store.relabel_pool(encoder).cell_ids)
    store.give_back([min(noisy)], reader="berta", session="s", reason="worth a look")
    assert min(noisy) in store.relabel_pool(encoder).cell_ids
    judge_again(store, noise["model_id"])


def judge_again(store: Store, first: str) -> None:
    """The readers think again: kind 1 are the artifacts. The next filter judges cells that the first has let pass."""
    for name in ("T1", "T2"):
        turned = {int(i): Label.ARTIFACT if kinds()[i] == 1 else Label.NON_CTC for i in np.flatnonzero(kinds(60) != 0)}
        label_all(store, name, turned, "again")
    opened = start(store, n=1)
    finish(store, opened.round_id)
    assert store.outcome(opened.round_id)["noise"]["model_id"] != first
    kind = {c: k for name in ("T1", "T2") for c, k in zip(store.cells(name).cell_id, kinds(), strict=True)}
    aside = [kind[c] for c in store.set_aside(opened.encoder_id).cell_id]
    assert len(aside) >= 20 and set(aside) == {1}


# ---- when it cannot be done ------------------------------------------------------------------------------------------


def test_nothing_left_to_ask(store: Store) -> None:
    with pytest.raises(UserError, match=r"^No unlabelled cell of a training patient is left in cluster 99\."):
        start(store, cluster=99)
    opened = start(store, n=60)
    rounds.simulated_expert(store, opened.round_id, truth(store))
    finish(store, opened.round_id)
    with pytest.raises(UserError, match=r"^No unlabelled cell of a training patient is left\."):
        start(store)


@pytest.mark.parametrize(("n", "share"), [(0, 0.0), (5, 1.5), (5, -0.1)])
def test_senseless_rounds_are_refused(store: Store, n: int, share: float) -> None:
    with pytest.raises(UserError, match="ask for one cell or more"):
        start(store, n=n, second_share=share)


def test_activation_needs_a_classifier_and_a_reason(store: Store) -> None:
    active, latent_map = store.active_model("classifier"), store.active_model("map")
    assert active is not None and latent_map is not None
    with pytest.raises(UserError, match="no such classifier"):
        rounds.activate(store, latent_map.model_id, reader="b", session="s", reason="why not")
    with pytest.raises(UserError, match="the journal keeps it"):
        rounds.activate(store, active.model_id, reader="b", session="s", reason=" ")


def test_an_abandoned_round_cannot_be_finished_or_replayed(store: Store) -> None:
    opened = start(store)
    store.abandon_round(opened.round_id, reader="berta", session="s", reason="called away")
    state = finish(store, opened.round_id)
    assert (state.state, "abandoned already" in state.message) == ("refused", True)
    with pytest.raises(UserError, match="made no classifier"):
        rounds.replay(store, opened.round_id)


def test_a_cancelled_refit_leaves_the_round_open(store: Store) -> None:
    jobs, opened = Jobs(store.folder), start(store)
    job_id = rounds.request_finish(jobs, opened.round_id, "berta")
    jobs.cancel(job_id)
    assert not job_kinds.refit.prepare(store, jobs, job_id)
    assert (jobs.state(job_id).state, store.round(opened.round_id).state) == ("cancelled", "open")
