"""The outbox in a real browser, tried to destruction: lines that swallow or break, reruns, haste, tabs, readers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from ctc_core.settings import ROOT
from ctc_core.store import Store
from tests.browser.conftest import READY
from tests.server import serving
from tests.small_store import CARTRIDGE, build_queue_store

pytestmark = pytest.mark.browser
SAVED = 150_000
"""Milliseconds to wait for an acknowledgement on a busy machine."""

APP = """
import streamlit as st
from pathlib import Path
from ctc_core.ui import session
if not hasattr(session, "real"):
    session.real = session.sign_in
    def sign_in(settings, *more):
        name = st.session_state.setdefault("as", st.query_params.get("as", "anna"))
        return session.real(settings.model_copy(update={"reader": name}), *more)
    session.sign_in = sign_in  # for good: a save and the rerun of a fragment ask again who is reading
exec(compile(Path("real_app.py").read_text(), "app.py", "exec"))
"""
"""The desk where `?as=NAME` says who is reading; single-user mode knows one name only."""


class Line:
    """The connection of a tab, through which messages pass or not."""

    def __init__(self) -> None:
        self.up = self.down = True
        self.routes: list[WebSocketRoute] = []

    def carry(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()
        page_side.on_message(lambda message: server_side.send(message) if self.up else None)
        server_side.on_message(lambda message: page_side.send(message) if self.down else None)
        self.routes.append(page_side)

    def cut(self) -> None:
        """Both ends learn of it."""
        self.routes.pop().close()


@pytest.fixture
def round_of_cells(tmp_path: Path) -> Path:
    """A data folder with an open round of anna's."""
    return build_queue_store(tmp_path / "data", n_cells=60)


@pytest.fixture
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """One browser with its storage; its tabs share it."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    yield context
    context.close()


def open_tab(
    profile: BrowserContext, address: str, line: Line | None = None, *, name: str = "queue", fresh: bool = True
) -> Page:
    """A tab on the page `name`; on a `fresh` server by way of the first page, since it does not know the others yet."""
    page = profile.new_page()
    if line:
        page.route_web_socket("**/_stcore/stream", line.carry)
    if fresh:
        page.goto(address)
        page.wait_for_selector(READY, timeout=SAVED)
    if name:
        page.goto(f"{address}/{name}")
    page.wait_for_selector(READY, timeout=SAVED)
    page.wait_for_selector(".card.focused", timeout=SAVED)
    return page


def focused(page: Page) -> str:
    cell = page.locator(".card.focused").get_attribute("data-id")
    assert cell is not None
    return cell


def press(page: Page, keys: str, pause: int = 0) -> dict[str, str]:
    """One key after another; what each has said of which cell."""
    said = {}
    for key in keys:
        said[focused(page)] = {"1": "ctc", "2": "non-ctc", "3": "unsure", "4": "artifact"}[key]
        page.keyboard.press(key)
        page.wait_for_timeout(pause)
    return said


def wait_until_saved(page: Page) -> None:
    expect(page.locator(".status")).to_have_text("All decisions saved", timeout=SAVED)


def written(data_dir: Path) -> list[tuple[str, str, str | None, str | None]]:
    """Reader, cell or event, label before and label of every decision in the journal, all of it checked on the way."""
    with Store.open(data_dir) as store:
        entries = [entry for entry in store.journal.entries() if entry.kind in ("label", "review")]
        assert len(store.decisions()) == len(entries) == len({entry.id for entry in entries})
    prefix = {"label": "", "review": "event:"}
    return [(e.reader, prefix[e.kind] + e.subject.removeprefix(f"{CARTRIDGE}/"), e.old, e.new) for e in entries]


def once_each(said: dict[str, str]) -> list[tuple[str, str, None, str]]:
    return sorted(("anna", cell, None, label) for cell, label in said.items())


def test_a_line_that_swallows_messages_and_breaks(round_of_cells: Path, profile: BrowserContext) -> None:
    """What is sent gets lost, then every answer, then the connection: each decision is saved once."""
    line = Line()
    with serving(round_of_cells) as address:
        page = open_tab(profile, address, line)
        line.up = False
        said = press(page, "1234", pause=60)
        page.wait_for_timeout(500)
        line.up, line.down = True, False
        said |= press(page, "1122", pause=60)
        page.wait_for_timeout(4000)  # sent again, saved, and the answer is lost
        line.cut()
        said |= press(page, "3344", pause=60)
        line.down = True
        wait_until_saved(page)
    assert len(said) == 12
    assert sorted(written(round_of_cells)) == once_each(said)


def test_reruns_and_other_widgets_in_the_middle(round_of_cells: Path, profile: BrowserContext) -> None:
    """Every click asks for another run of the page while decisions are on their way."""
    with serving(round_of_cells) as address:
        page = open_tab(profile, address)
        said: dict[str, str] = {}
        for turn in range(8):
            said |= press(page, "1" if turn % 2 else "2")
            page.get_by_test_id("stCheckbox").first.locator("label").click()
            page.locator(".wall").focus()
            said |= press(page, "34"[turn % 2], pause=30)
        wait_until_saved(page)
    last = {cell: label for _, cell, _, label in written(round_of_cells)}
    assert last == said


def test_keys_faster_than_the_server(round_of_cells: Path, profile: BrowserContext) -> None:
    with serving(round_of_cells) as address:
        page = open_tab(profile, address)
        said = press(page, "1234" * 8)
        wait_until_saved(page)
    assert len(said) == 32
    assert sorted(written(round_of_cells)) == once_each(said)


def test_two_tabs_overwrite_nothing_unseen(round_of_cells: Path, profile: BrowserContext) -> None:
    """The second tab does not know what the first has said since; it is told, and decides again."""
    with serving(round_of_cells) as address:
        first, second = open_tab(profile, address), open_tab(profile, address)
        cell = focused(first)
        assert focused(second) == cell
        press(first, "1")
        wait_until_saved(first)
        second.bring_to_front()
        press(second, "2")
        expect(second.locator(".status")).to_contain_text("Nothing was overwritten", timeout=SAVED)
        expect(second.locator(f'.card[data-id="{cell}"] .decision')).to_contain_text("CTC", timeout=SAVED)
        second.keyboard.press("ArrowLeft")
        assert focused(second) == cell
        press(second, "2")
        expect(second.locator(".ask .question")).to_have_text("Why Non-CTC instead of CTC?")
        second.keyboard.press("1")
        wait_until_saved(second)
    assert written(round_of_cells) == [("anna", cell, None, "ctc"), ("anna", cell, "ctc", "non-ctc")]


def test_what_waited_too_long_does_not_overwrite_what_was_said_since(
    round_of_cells: Path, profile: BrowserContext
) -> None:
    line = Line()
    with serving(round_of_cells) as address:
        other, page = open_tab(profile, address), open_tab(profile, address, line)
        line.up = False
        cell = next(iter(press(page, "1")))
        page.close()
        other.bring_to_front()
        press(other, "3")
        wait_until_saved(other)
        # finds the first decision in the browser's storage and sends it; the answer belongs to the page that asked
        later = open_tab(profile, address, fresh=False)
        expect(later.locator(".status")).to_contain_text("Nothing was overwritten", timeout=SAVED)
    assert written(round_of_cells) == [("anna", cell, None, "unsure")]


def reasons(data_dir: Path) -> list[tuple[str | None, str | None, str]]:
    """Label before, label and reason of each decision in the journal, without the seconds between two."""
    with Store.open(data_dir) as store:
        entries = [entry for entry in store.journal.entries() if entry.kind == "label"]
    return [(e.old, e.new, re.sub(r" (in the same|on the same) .*", "", e.why)) for e in entries]


def test_a_change_a_moment_later_asks_nothing_and_a_later_one_asks_why(
    round_of_cells: Path, profile: BrowserContext
) -> None:
    with serving(round_of_cells) as address:
        page = open_tab(profile, address)
        ask, decision = page.locator(".ask"), page.locator(".card.focused .decision")
        (cell,) = press(page, "1")
        page.keyboard.press("u")
        assert focused(page) == cell
        press(page, "2")
        page.keyboard.press("ArrowLeft")
        press(page, "3")
        wait_until_saved(page)
        expect(ask).to_be_hidden()
        page.close()
        later = open_tab(profile, address, fresh=False)
        ask, decision = later.locator(".ask"), later.locator(".card.focused .decision")
        later.keyboard.press("Home")
        assert focused(later) == cell
        later.keyboard.press("1")
        expect(later.locator(".ask .question")).to_have_text("Why CTC instead of Unsure?")
        later.keyboard.press("Escape")
        expect(ask).to_be_hidden()
        expect(decision).to_have_text("Unsure")
        later.keyboard.press("1")
        later.keyboard.press("2")
        expect(ask).to_be_hidden()
        later.keyboard.press("u")  # a moment ago: asks nothing
        later.keyboard.press("3")  # what it is already
        wait_until_saved(later)
        later.close()
        last = open_tab(profile, address, fresh=False)
        last.keyboard.press("Home")
        last.keyboard.press("4")
        last.keyboard.type("torn nucleus, see 12")
        last.keyboard.press("Enter")
        wait_until_saved(last)
    assert reasons(round_of_cells) == [
        (None, "ctc", ""),
        ("ctc", None, "taken back"),
        (None, "non-ctc", ""),
        ("non-ctc", "unsure", "corrected"),
        ("unsure", "ctc", "Wrong key"),
        ("ctc", "unsure", "corrected"),
        ("unsure", "unsure", ""),
        ("unsure", "artifact", "torn nucleus, see 12"),
    ]


@pytest.fixture
def named_desk(tmp_path: Path) -> Path:
    """A folder with a desk for several readers."""
    folder = tmp_path / "app"
    folder.mkdir()
    for name in ("ctc_core", "pages", "models", ".streamlit"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "real_app.py").symlink_to(ROOT / "app.py")
    (folder / "app.py").write_text(APP)
    return folder


def test_two_readers_on_one_cell(data_dir: Path, browser: Browser, named_desk: Path) -> None:
    """Each has an own word; nobody's is overwritten, and the desk says that they disagree."""
    with serving(data_dir, folder=named_desk) as address:
        profiles = [browser.new_context(viewport={"width": 1440, "height": 1000}) for _ in range(2)]
        anna, bert = (
            open_tab(profile, f"{address}/?as={name}", name="")
            for profile, name in zip(profiles, ("anna", "bert"), strict=True)
        )
        cell = focused(anna)
        assert focused(bert) == cell
        press(anna, "1")
        press(bert, "2")
        wait_until_saved(anna)
        wait_until_saved(bert)
        for profile in profiles:
            profile.close()
    assert sorted(written(data_dir)) == [("anna", cell, None, "ctc"), ("bert", cell, None, "non-ctc")]
    with Store.open(data_dir) as store:
        (conflict,) = store.conflicts().to_dict("records")
    assert (conflict["cell_id"], sorted(conflict["labels"])) == (cell, ["ctc", "non-ctc"])
