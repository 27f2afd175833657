"""Deciding by keyboard in a real browser: kept in journal and store, through reloads, haste and a dead server."""

import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ctc_core.store import Store
from tests.browser.conftest import OpenPage
from tests.server import free_port, serving
from tests.small_store import CARTRIDGE

pytestmark = pytest.mark.browser
SAVED = 60_000
"""Milliseconds to wait for an acknowledgement on a busy machine."""


def focused(page: Page) -> str:
    cell = page.locator(".card.focused").get_attribute("data-id")
    assert cell is not None
    return cell


def wait_until_saved(page: Page) -> None:
    expect(page.locator(".status")).to_have_text("All decisions saved", timeout=SAVED)


def badge_of(page: Page, cell: str) -> str:
    return page.locator(f'.card[data-id="{cell}"] .decision').inner_text()


def in_store(data_dir: Path) -> dict[str, str]:
    """Current label by cell, and every entry of the journal checked on the way."""
    with Store.open(data_dir) as store:
        labels = store.current_labels(CARTRIDGE)
        written = [entry for entry in store.journal.entries() if entry.kind == "label"]
    assert {entry.reader for entry in written} <= {"anna"}
    last = {entry.subject.removeprefix(f"{CARTRIDGE}/"): entry.new for entry in written}
    current = dict(zip(labels.cell_id, labels.label, strict=True))
    assert {cell: label for cell, label in last.items() if label is not None} == current
    return current


def test_a_key_labels_a_cell_for_good(data_dir: Path, browse: OpenPage) -> None:
    with serving(data_dir) as address:
        page = browse(address)
        first = focused(page)
        page.keyboard.press("1")
        second = focused(page)
        assert second != first
        page.keyboard.press("4")
        wait_until_saved(page)
        page.reload()
        page.wait_for_selector(".card.focused")
        assert focused(page) not in (first, second)  # goes on where the reader stopped
        page.keyboard.press("End")  # what is read comes last
        assert (badge_of(page, first), badge_of(page, second)) == ("CTC", "Artifact")
    assert in_store(data_dir) == {first: "ctc", second: "artifact"}


def test_undo_withdraws_and_restores(data_dir: Path, browse: OpenPage) -> None:
    with serving(data_dir) as address:
        page = browse(address)
        first = focused(page)
        page.keyboard.press("2")
        second = focused(page)
        page.keyboard.press("3")
        page.keyboard.press("u")
        assert focused(page) == second
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("1")
        page.keyboard.press("u")
        assert badge_of(page, first) == "Non-CTC"
        wait_until_saved(page)
    assert in_store(data_dir) == {first: "non-ctc"}


def test_twenty_hasty_keys_are_twenty_decisions(data_dir: Path, browse: OpenPage) -> None:
    with serving(data_dir) as address:
        page = browse(address)
        cells = []
        for i in range(20):
            cells.append(focused(page))
            page.keyboard.press("12"[i % 2])
            page.wait_for_timeout(30)
        wait_until_saved(page)
    expected = {cell: ("ctc", "non-ctc")[i % 2] for i, cell in enumerate(cells)}
    assert len(expected) == 20
    assert in_store(data_dir) == {cell: label for cell, label in expected.items() if not cell.startswith("event:")}
    with Store.open(data_dir) as store:
        kinds = [entry.kind for entry in store.journal.entries() if entry.kind in ("label", "review")]
    assert len(kinds) == 20


def test_decisions_survive_a_killed_server(data_dir: Path, browse: OpenPage) -> None:
    port = free_port()
    with serving(data_dir, port=port, kill=True) as address:
        page = browse(address)
        first = focused(page)
        page.keyboard.press("1")
        wait_until_saved(page)
    second = focused(page)
    page.keyboard.press("2")  # nobody is there to hear it
    expect(page.locator(".status")).to_contain_text("Saving 1")
    with serving(data_dir, port=port):
        wait_until_saved(page)  # the same tab finds the server again and sends what waited
    assert in_store(data_dir) == {first: "ctc", second: "non-ctc"}


def test_decisions_wait_for_a_later_tab(data_dir: Path, browse: OpenPage) -> None:
    port = free_port()
    with serving(data_dir, port=port) as address:
        page = browse(address)
        first = focused(page)
    page.keyboard.press("3")
    page.close()
    with serving(data_dir, port=port) as address:
        wait_until_saved(browse(address))
    assert in_store(data_dir) == {first: "unsure"}


def test_a_held_key_decides_once_and_typing_elsewhere_decides_nothing(data_dir: Path, browse: OpenPage) -> None:
    with serving(data_dir) as address:
        page = browse(address)
        page.get_by_role("combobox").first.click()
        page.keyboard.type("12")
        page.keyboard.press("Escape")
        page.locator(".wall").focus()
        first = focused(page)
        for _ in range(5):
            page.keyboard.down("1")  # without a release in between: auto-repeat
        page.keyboard.up("1")
        wait_until_saved(page)
        assert page.locator(".progress").inner_text() == f"1 of {len_of(page)} decided"
    assert in_store(data_dir) == {first: "ctc"}


def len_of(page: Page) -> int:
    return int(page.locator(".place").inner_text().split(" of ")[1])


def test_a_thousand_cells_stay_fluid(tmp_path: Path, small_store: Callable[..., Path], browse: OpenPage) -> None:
    """Only the cards in sight exist. Key to next cell is measured and printed, not asserted: machines differ."""
    with serving(small_store(1600)) as address:
        page = browse(address)
        assert len_of(page) >= 1200
        page.evaluate("""() => {
            window.waits = [];
            document.addEventListener("keydown", (event) => requestAnimationFrame(() =>
                setTimeout(() => window.waits.push(performance.now() - event.timeStamp))), true);
        }""")
        for _ in range(60):
            page.keyboard.press("2")
            page.wait_for_timeout(20)
        wait_until_saved(page)
        assert page.locator(".card").count() < 60
        waits = sorted(page.evaluate("window.waits"))
    print(
        f"key to next cell drawn: median {statistics.median(waits):.0f} ms, p95 {waits[int(0.95 * len(waits))]:.0f} ms"
    )
    assert len(waits) == 60


def look_closer(page: Page) -> None:
    """Zoom, contrast, channels and the list of keys, and back to where it began."""
    for key in ("+", "+", ".", "l", "k", "d"):
        page.keyboard.press(key)
    assert page.locator(".zoom").inner_text() == "2×"
    assert page.locator(".contrast").inner_text() == "1.4×"
    assert page.locator(".composite figcaption").inner_text() == "CD45"
    page.keyboard.press("0")
    assert page.locator(".composite figcaption").inner_text() == "DAPI + CK"
    assert page.locator(".zoom").inner_text() == "1×"
    page.keyboard.press("?")
    expect(page.locator(".keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".keys")).to_be_hidden()
    assert page.locator(".progress").inner_text().startswith("0 of ")


def test_a_comment_is_the_decisions_reason(data_dir: Path, browse: OpenPage) -> None:
    """On an undecided cell it waits for the decision, on a decided one it is saved at once. Looking decides nothing."""
    with serving(data_dir) as address:
        page = browse(address)
        look_closer(page)
        first = focused(page)
        page.keyboard.press("c")
        page.keyboard.type("torn 12")  # digits here decide nothing
        page.keyboard.press("Enter")
        page.keyboard.press("1")
        second = focused(page)
        page.keyboard.press("4")
        wait_until_saved(page)
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("c")
        page.keyboard.press("Escape")
        page.keyboard.press("c")
        page.keyboard.type("at the edge")
        page.keyboard.press("Enter")
        wait_until_saved(page)
        assert page.locator(".count").inner_text() == "2 saved"
    assert in_store(data_dir) == {first: "ctc", second: "artifact"}
    with Store.open(data_dir) as store:
        reasons = {cell: list(store.label_history(cell).reason) for cell in (first, second)}
    assert reasons == {first: ["torn 12"], second: ["", "at the edge"]}


def test_brightness_of_each_cell_or_of_the_frame(data_dir: Path, browse: OpenPage) -> None:
    """A dim channel is made visible; in the frame's own range the stored grey values are shown."""
    read = """() => {
        const components = Array.from(document.querySelectorAll('[data-testid="stBidiComponentIsolated"]'));
        const [canvas] = components.map((one) => one.shadowRoot.querySelector(".view .ck canvas")).filter(Boolean);
        return Array.from(canvas.getContext("2d").getImageData(0, 0, 48, 48).data.filter((_, i) => i % 4 === 0));
    }"""
    with serving(data_dir) as address:
        page = browse(address)
        cell = focused(page)
        stretched = page.evaluate(read)
        page.keyboard.press("b")
        stored = page.evaluate(read)
    with Store.open(data_dir) as store:
        crop = store.crops(CARTRIDGE)[list(store.cells(CARTRIDGE).cell_id).index(cell)]
    assert stored == crop[1].ravel().tolist()
    assert (min(stretched), max(stretched)) == (0, 255)
