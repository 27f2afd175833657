"""Every form of archive: a simulated cartridge is read back with the events and grey values that were put in."""

import numpy as np
import pytest

from ctc_core.cartridge import VARIANTS, open_cartridge, restore
from ctc_core.errors import CartridgeError, FrameError
from ctc_core.simulate import archive, simulate
from ctc_core.types import Channel

PAGES = {Channel.DAPI: 0, Channel.CK: 2, Channel.CD45: 3}
"""Pages of a simulated scene."""

TINY = {"width": 44, "height": 36, "ctcs": (4, 4), "seed": 3, "cartridges": 1}


@pytest.fixture
def written(monkeypatch):
    """What the simulator hands to the writer: scenes, events, grid."""
    seen = {}
    write = archive.write_cartridge

    def recording(folder, name, scenes, events, grid, *, layout):
        seen.update(scenes=list(scenes), events=events, grid=grid)
        return write(folder, name, seen["scenes"], events, grid, layout=layout)

    monkeypatch.setattr(archive, "write_cartridge", recording)
    return seen


@pytest.mark.parametrize("name", sorted(VARIANTS.keys() - {"missing-frame"}))
def test_every_variant_is_read_back(tmp_path, written, name):
    layout = VARIANTS[name]
    (path,) = simulate(tmp_path, frames=layout.frames or 4, variant=name, **TINY)
    cartridge = open_cartridge(path)
    assert (cartridge.grid, cartridge.quarantined_events) == (written["grid"], ())
    assert len(cartridge.events) == len(written["events"]) >= 3
    for found, put in zip(cartridge.events, written["events"], strict=True):
        assert (found.frame, found.assigned) == (put.frame, put.assigned)
        np.testing.assert_allclose(box(found), box(put), atol=1)
    for number in (1, cartridge.grid.frames):
        check_grey(cartridge.read(number), written["scenes"][number - 1], layout)
    if layout.truncated:
        with pytest.raises(FrameError, match="frame 2"):
            cartridge.read(2)


def box(event):
    return event.box.x0, event.box.y0, event.box.x1, event.box.y1


def check_grey(frame, scene, layout):
    """Within one step of the page's stretch of what the camera measured; exact in 16-bit archives."""
    for channel, page in PAGES.items():
        truth, grey = scene[page].astype(float), restore(frame, channel)
        step = np.ptp(truth) * layout.headroom / 255 if layout.stretched else 0.0
        if layout.stretched and not layout.tags:
            grey = truth.min() + grey * step
        assert np.abs(grey - truth).max() <= step


def test_a_missing_frame_is_refused(tmp_path):
    (path,) = simulate(tmp_path, frames=4, variant="missing-frame", **TINY)
    with pytest.raises(CartridgeError, match="frame 2 is missing"):
        open_cartridge(path)
