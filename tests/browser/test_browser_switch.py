"""Another patient is chosen: no key decides about a cell of the one before, still on the screen for a while."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from ctc_core.store import Store
from ctc_core.types import Role
from tests.browser.conftest import READY, OpenPage
from tests.server import serving
from tests.small_store import CARTRIDGE, MODEL, write_small_bundle

pytestmark = pytest.mark.browser
OTHER = "OTHER-02"


@pytest.fixture
def two_patients(small_store: Callable[..., Path], tmp_path: Path) -> Path:
    data = small_store(60)
    bundle = write_small_bundle(tmp_path / "other", n_cells=300, seed=1, cartridge_id=OTHER, pseudonym="patient-02")
    with Store.open(data) as store:
        store.add_patient("patient-02", Role.REVIEW, reader="tests", session="tests")
        store.add_bundle(bundle)
        store.save_predictions(MODEL, list(store.cells(OTHER).cell_id), np.linspace(0.99, 0.2, 300))
    return data


def test_a_key_is_never_for_the_patient_who_was_left(two_patients: Path, browse: OpenPage) -> None:
    with serving(two_patients) as address:
        page = browse(f"{address}/candidates?cartridge={CARTRIDGE}")
        page.get_by_role("combobox").first.click()
        page.get_by_role("option", name=OTHER).click()
        expect(page.get_by_text("Patient patient-02")).to_be_visible(timeout=60_000)
        for _ in range(20):  # as somebody who does not wait
            page.keyboard.press("1")
        page.wait_for_selector(READY, timeout=60_000)
        expect(page.locator(f'.card.focused[data-id^="{OTHER}"]')).to_be_visible(timeout=60_000)
        page.keyboard.press("2")
        expect(page.locator(".status")).to_have_text("All decisions saved", timeout=60_000)
    with Store.open(two_patients) as store:
        about = [entry.subject.split("/")[0] for entry in store.journal.entries() if entry.kind in ("label", "review")]
    assert set(about) == {OTHER}
