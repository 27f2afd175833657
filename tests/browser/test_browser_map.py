"""50,000 cells in a real browser: drawn, picked, brushed; the points travel once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from ctc_core.map_view import MapView
from ctc_core.settings import ROOT
from ctc_core.ui.scatter import encode, inside, units
from tests.browser.conftest import READY
from tests.made_map import WEAKEST, made_map
from tests.server import serving

pytestmark = pytest.mark.browser
CELLS = 50_000

SCRIPT = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
import streamlit as st
from ctc_core.ui.cluster_figures import show_f1
from ctc_core.ui.latent_map import show_draw
from ctc_core.ui.scatter import scatter, send_points
from ctc_core.ui import latent_map
from tests.made_map import made_map
from tests.small_store import cell_crops

st.set_page_config(layout="wide")
view = st.cache_resource(made_map)({CELLS})
points = send_points(view, key="map")
show_draw(view.draw)

@st.fragment
def explore():
    selections = []
    latent_map.scatter = lambda *a, **k: selections.append(scatter(*a, **k)) or selections[-1]
    latent_map.show_map(view, points, lambda ids: cell_crops(len(ids), np.random.default_rng(0)), key="map")
    chosen = selections[0]
    st.text("Python has " + ("nothing" if chosen is None else f"{{chosen.cluster}} {{len(chosen.members)}}"))

explore()
show_f1(view, key="map_figures")
st.button("Run again")
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "app.py").write_text(SCRIPT)
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text((ROOT / ".streamlit" / "config.toml").read_text())
    with serving(tmp_path / "data", folder=tmp_path) as address:
        yield address


class Traffic:
    """What the server sent: how often the points, and how many bytes since the last look."""

    def __init__(self, page: Page, points: bytes) -> None:
        self.transfers = 0
        self._points, self._bytes = points, 0
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._count)

    def _count(self, payload: str | bytes) -> None:
        self._bytes += len(payload)
        self.transfers += isinstance(payload, bytes) and self._points in payload

    def take(self) -> int:
        taken, self._bytes = self._bytes, 0
        return taken


def python_has(page: Page, what: str) -> None:
    expect(page.get_by_text("Python has")).to_have_text(f"Python has {what}", timeout=30_000)
    page.wait_for_selector(READY, timeout=30_000)


def tell_times(page: Page, who: str) -> None:
    """Print when the map was painted, and when the browser painted anything at all, which is Streamlit's part."""
    painted = page.evaluate("performance.getEntriesByName('ctc-map-painted')[0].startTime")
    shell = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"{who}: 50,000 cells painted {painted:.0f} ms after the address was opened, Streamlit's page {shell:.0f} ms")


def on_screen(page: Page, u: float, v: float) -> tuple[float, float]:
    """Where units (u, v) of the whole map are drawn, from the size of the picture alone."""
    box = page.locator(".picture").bounding_box()
    assert box is not None
    drawn = units(made_map(CELLS)).astype(float)
    low, high = drawn.min(axis=0), drawn.max(axis=0)
    width, height = box["width"] - 2, box["height"] - 2  # without the border
    scale = min((width - 52) / (high - low)[0], (height - 52) / (high - low)[1])
    middle = (low + high) / 2
    x, y = width / 2 + (u - middle[0]) * scale, height / 2 - (v - middle[1]) * scale
    return box["x"] + 1 + x, box["y"] + 1 + y


@dataclass(frozen=True)
class Drawn:
    """The page with the map on it, painted."""

    page: Page
    traffic: Traffic
    view: MapView

    def counted(self) -> int:
        """Cells that the browser says are in the area."""
        expect(self.page.locator(".status")).to_contain_text("cells in the area")
        return int(self.page.locator(".status").inner_text().split()[0].replace(",", ""))

    def middle(self, cluster: int) -> np.ndarray:
        """Its densest part, in units."""
        return np.asarray(np.median(units(self.view)[self.view.cluster == cluster], axis=0))


@pytest.fixture
def drawn(address: str, browser: Browser) -> Iterator[Drawn]:
    """In a browser that was never here; its points have come once."""
    view = made_map(CELLS)
    profile = browser.new_context(viewport={"width": 1440, "height": 1000}, device_scale_factor=2)
    page = profile.new_page()
    traffic = Traffic(page, encode(view).data)
    page.goto(address)
    page.wait_for_selector(".picture[data-painted]", timeout=60_000)
    tell_times(page, "a browser that was never here")
    python_has(page, f"{WEAKEST} {(view.cluster == WEAKEST).sum()}")
    assert traffic.transfers == 1
    yield Drawn(page, traffic, view)
    profile.close()


def pick_clusters(drawn: Drawn) -> None:
    """One by click at its densest part, another by keyboard from the list."""
    page, view = drawn.page, drawn.view
    page.mouse.move(*on_screen(page, *drawn.middle(0)))
    expect(page.locator(".tip")).to_have_text("Cluster 0F1 0.97 (0.89 to 0.99), n = 40")
    page.mouse.click(*on_screen(page, *drawn.middle(0)))
    python_has(page, f"0 {(view.cluster == 0).sum()}")
    expect(page.locator(".status")).to_have_text(f"Cluster 0: {(view.cluster == 0).sum():,} cells")
    page.locator(".clusters button", has_text="Cluster 3").focus()
    page.keyboard.press("Enter")
    python_has(page, f"3 {(view.cluster == 3).sum()}")


def brush_rectangle(drawn: Drawn) -> None:
    """Browser and server count the same cells."""
    page, middle = drawn.page, drawn.middle(0)
    page.get_by_role("button", name="Rectangle").click()
    page.mouse.move(*on_screen(page, *(middle - 4000)))
    page.mouse.down()
    page.mouse.move(*on_screen(page, *middle), steps=3)
    page.mouse.move(*on_screen(page, *(middle + 4000)), steps=3)
    page.mouse.up()
    counted = drawn.counted()
    corners = np.array([[-4000, -4000], [4000, -4000], [4000, 4000], [-4000, 4000]]) + middle
    assert counted == pytest.approx(inside(units(drawn.view), corners).sum(), rel=0.05)
    python_has(page, f"None {counted}")


def brush_lasso(drawn: Drawn) -> None:
    """A free line around the same cluster."""
    page, middle, before = drawn.page, drawn.middle(0), drawn.counted()
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(*on_screen(page, *(middle + np.array([5000, 0]))))
    page.mouse.down()
    for turn in np.linspace(0.2, 2 * np.pi, 24):
        page.mouse.move(*on_screen(page, *(middle + 5000 * np.array([np.cos(turn), np.sin(turn)]))))
    page.mouse.up()
    expect(page.locator(".status")).not_to_have_text(f"{before:,} cells in the area")
    python_has(page, f"None {drawn.counted()}")


def test_points_travel_once_and_selections_come_back(drawn: Drawn) -> None:
    page, traffic = drawn.page, drawn.traffic
    first = traffic.take()
    pick_clusters(drawn)
    brush_rectangle(drawn)
    brush_lasso(drawn)
    page.locator(".picture").focus()
    page.keyboard.press("Escape")
    python_has(page, "nothing")
    brushing = traffic.take()
    page.get_by_role("button", name="Run again").click()  # the whole page once more
    page.wait_for_timeout(500)
    page.wait_for_selector(READY)
    python_has(page, "nothing")
    assert traffic.transfers == 1
    print(f"bytes received: {first:,} at first, {brushing:,} for five selections, {traffic.take():,} for a full rerun")
    page.reload()
    page.wait_for_selector(".picture[data-painted]", timeout=60_000)
    tell_times(page, "a browser that knows the desk")
