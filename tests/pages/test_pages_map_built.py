"""The map page on a store with a real map: what it shows, and how a map is asked for."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from ctc_core.jobs import Jobs, JobState, Kind
from ctc_core.store import Store
from ctc_core.types import Label
from ctc_core.ui.desk import Desk, open_desk
from tests.mapped_store import label
from tests.pages.conftest import OpenApp

PAGE = "pages/reliability/map.py"


def open_r1(open_app: OpenApp) -> AppTest:
    """The page with the reviewed patient on the map."""
    return open_app(PAGE).selectbox(key="cartridge").set_value("R1").run()


def build_button(at: AppTest) -> str:
    (found,) = [button.label for button in at.button if button.key == "build_map"]
    return found


def test_map_of_the_store(open_app: OpenApp, mapped_store: Path) -> None:
    at = open_r1(open_app)
    assert not at.exception and not at.error and not at.warning
    assert at.title[0].value == "Reliability map" and not at.info
    assert [metric.label for metric in at.metric][:2] == ["In strong clusters", "In weak clusters"]
    assert any(caption.value.startswith("345 cells; those that look alike") for caption in at.caption)
    assert build_button(at) == "Build it again"
    at.session_state["map_figures"] = True
    table = at.run().table[0].value
    assert set(table.Cluster.str.replace(", weakest", "")) == {"Background", "Cluster 0", "Cluster 1", "Cluster 2"}


def test_changed_labels_are_said(open_app: OpenApp, mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        label(store, "E1", 0, Label.NON_CTC, "changed")
    at = open_r1(open_app)
    assert not at.exception
    assert "Labels of test patients were added or changed." in at.info[0].value


def test_a_map_is_asked_for(open_app: OpenApp, unmapped_store: Path) -> None:
    at = open_app(PAGE)
    assert not at.exception
    assert (at.subheader[0].value, build_button(at)) == ("There is no map yet", "Build the map")
    next(button for button in at.button if button.key == "build_map").click().run()
    assert not at.exception
    (status,) = Jobs(unmapped_store).status()
    assert (status.job.kind, status.job.reader) == (Kind.MAP, "anna")
    assert status.state.state in ("requested", "queued")
    assert not [button for button in at.button if button.key == "build_map"]


def test_what_went_wrong_is_said(open_app: OpenApp, mapped_store: Path) -> None:
    jobs = Jobs(mapped_store)
    jobs.set_state(jobs.request(Kind.MAP, "anna"), JobState("failed", message="No room on the disk. Make room."))
    at = open_r1(open_app)
    assert not at.exception
    assert "No room on the disk" in at.warning[0].value
    assert build_button(at) == "Build it again"


def test_progress_is_shown(open_app: OpenApp, mapped_store: Path) -> None:
    jobs = Jobs(mapped_store)
    running = JobState("running", 40, 100, "Finding clusters")
    jobs.set_state(jobs.request(Kind.MAP, "anna"), running)
    at = open_r1(open_app)
    assert not at.exception
    assert not [button for button in at.button if button.key == "build_map"]
    assert [button.label for button in at.button if button.key == "cancel_map"] == ["Cancel"]


def test_the_desk_asks_for_new_cells_to_be_placed(open_app: OpenApp, mapped_store: Path) -> None:
    open_app()
    desk: Desk = open_desk()
    with desk.store._database.write() as cur:
        cur.execute("DELETE FROM latent_point WHERE cell_id = ?", [str(desk.store.cells("R1").cell_id[0])])
    desk.look_after_jobs()
    newest = desk.jobs.status()[0]
    assert (newest.job.kind, newest.state.state) == (Kind.PLACE, "queued")
    desk.look_after_jobs()
    assert len(desk.jobs.status()) == 2
