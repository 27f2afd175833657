"""The wrapped network: normalisation, any frame size, model folders in both layouts, refusals, silence."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from csbdeep.utils import normalize

from ctc_core._openvino import precision
from ctc_core.cartridge import restore
from ctc_core.errors import ModelError
from ctc_core.models import SHIPPED
from ctc_core.segment import CELL_COLUMNS, Outlines, Segmenter, segment_frame
from ctc_core.segment.evaluate import figures, stardist_test_image
from ctc_core.segment.stardist import normalise
from ctc_core.settings import Runtime, Settings
from ctc_core.types import PIXEL_UM, Channel, Frame

SHIPPED_NAME = Settings.model_fields["segmenter"].default
MINIMUM_FOUND, MINIMUM_AP = 0.85, 0.82
"""On StarDist's own image, IoU 0.5; a little below what the model card reports."""

CHANNELS = (Channel.DAPI, Channel.MARKER, Channel.CK, Channel.CD45)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load(SHIPPED_NAME, threads=1)


def blobs(height: int, width: int, centres: list[tuple[int, int]]) -> np.ndarray:
    """(h, w) uint8: smooth cells of 18 px on noisy ground."""
    y, x = np.mgrid[:height, :width]
    light = sum(0.5 - np.tanh(0.75 * (np.hypot(y - cy, x - cx) - 9)) / 2 for cy, cx in centres)
    noise = np.random.default_rng(0).normal(0, 2, (height, width))
    return np.clip(10 + 150 * light + noise, 0, 255).astype(np.uint8)


# --- normalisation


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_normalisation_is_csbdeeps(dtype):
    page = np.random.default_rng(0).gamma(2, 20, (120, 90)).astype(dtype)
    assert np.allclose(normalise(page), normalize(page, 3, 99.8), atol=1e-5)


def test_a_page_with_one_small_cell_stays_finite():
    page = np.full((300, 300), 7, np.uint8)
    page[100:104, 100:104] = 200
    assert normalise(page).max() == 1 and normalise(page).min() == 0


# --- frames


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_constant_frame_has_no_cells(segmenter, level):
    assert len(segmenter.outlines(np.full((96, 96), level, np.uint8))) == 0


@pytest.mark.parametrize(("height", "width"), [(64, 64), (101, 67), (48, 200), (1036, 1384)])
def test_cells_are_found_where_they_are_in_frames_of_any_size(segmenter, height, width):
    centres = [(24, 24), (height - 24, width - 30)]
    found = segmenter.outlines(blobs(height, width, centres))
    assert isinstance(found, Outlines) and found.polygons.shape == (len(found), 32, 2)
    assert found.centroids.dtype == found.polygons.dtype == found.probability.dtype == np.float32
    assert np.all(np.diff(found.probability) <= 0)
    nearest = [np.hypot(*(found.centroids - centre).T).min() for centre in centres]
    assert max(nearest) < 2
    best = [int(np.hypot(*(found.centroids - centre).T).argmin()) for centre in centres]
    extent = np.ptp(found.polygons[best], axis=1).mean(axis=1)
    assert extent == pytest.approx([18, 18], abs=4)


def test_depth_of_the_page_does_not_matter(segmenter):
    page = blobs(96, 96, [(40, 40)])
    shallow, deep = segmenter.outlines(page), segmenter.outlines(page.astype(np.uint16) * 16 + 100)
    assert np.allclose(shallow.polygons, deep.polygons, atol=0.05)


def test_segment_frame_gives_one_crop_per_row(segmenter):
    ck = blobs(120, 150, [(40, 40), (80, 110)])
    frame = Frame(12, CHANNELS, np.stack([ck // 2, ck * 0, ck, ck // 3]), ((0, 4095),) * 4)
    cells, crops = segment_frame(frame, segmenter)
    assert set(CELL_COLUMNS) <= set(cells.columns) and crops.shape == (len(cells), 3, 48, 48)
    row = cells.iloc[(cells["y"] - 80).abs().argmin()]
    assert (row["frame"], row["y"], row["x"]) == (12, pytest.approx(80, abs=1), pytest.approx(110, abs=1))
    assert row["diameter_um"] == pytest.approx(18 * PIXEL_UM, abs=2.5)
    assert row["ck_max"] == restore(frame, Channel.CK)[70:90, 100:120].max()
    assert np.array_equal(crops[row.name][1], ck[56:104, 86:134])


# --- real pixels


def test_real_nuclei_of_stardists_own_image_are_found(segmenter):
    """125 nuclei, rescaled to a median of 17 px as the model card says, which has the figures; never trained on."""
    sample = stardist_test_image()
    table = figures("", [segmenter.outlines(sample.image)], [sample]).set_index("figure")["value"]
    assert table["found@0.5"] >= MINIMUM_FOUND
    assert table["AP@0.5"] >= MINIMUM_AP


# --- the other runtime


@pytest.fixture(scope="module")
def fast() -> Segmenter:
    return Segmenter.load(SHIPPED_NAME, threads=1, runtime=Runtime.OPENVINO)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (101, 67), (520, 700)])
def test_openvino_finds_what_keras_finds(segmenter, fast, height, width):
    """The graph is put together from the weights alone, so every answer of it is held against Keras."""
    page = blobs(height, width, [(24, 24), (height - 24, width - 30), (height // 2, 2)])
    exact, found = segmenter.outlines(page), fast.outlines(page)
    assert len(exact) >= 2 and fast.id == segmenter.id
    # bf16, where the CPU has it, moves outlines by fractions of a pixel; 32 bits move the last digits.
    tolerance = 0.5 if precision() == "bf16" else 2e-3
    np.testing.assert_allclose(found.probability, exact.probability, atol=tolerance / 10)
    np.testing.assert_allclose(found.polygons, exact.polygons, atol=tolerance)


def test_openvino_finds_nothing_on_an_empty_page(fast):
    assert len(fast.outlines(np.full((96, 96), 7, np.uint8))) == 0


def test_openvino_reads_stardists_own_layout(fast, published):
    page = blobs(96, 120, [(40, 40), (60, 90)])
    theirs = Segmenter.load(str(published), threads=1, runtime=Runtime.OPENVINO).outlines(page)
    assert len(theirs) >= 2
    np.testing.assert_allclose(theirs.polygons, fast.outlines(page).polygons, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unet_n_filter_base": 8}, "do not fit the network"),
        ({"unet_n_depth": 4}, "no layer down_level_3_no_0"),
        ({"unet_batch_norm": True}, "another unet_batch_norm"),
        ({"grid": [1, 1]}, "do not fit the network"),
    ],
)
def test_openvino_refuses_weights_of_another_network(copied, change, words):
    config = json.loads((copied / "config.json").read_text())
    config["stardist"] |= change
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=words):
        Segmenter.load(str(copied), runtime=Runtime.OPENVINO)


def test_pages_of_several_threads_do_not_mix(fast):
    pages = [blobs(80, 96, [(30, 30 + 6 * k)]) for k in range(6)]
    with ThreadPoolExecutor(3) as lanes:
        together = list(lanes.map(fast.outlines, pages))
    for page, found in zip(pages, together, strict=True):
        np.testing.assert_array_equal(found.polygons, fast.outlines(page).polygons)


# --- model folders


def test_the_id_names_the_folder_and_the_weights(segmenter):
    assert segmenter.id.startswith(f"{SHIPPED_NAME}-") and len(segmenter.id) == len(SHIPPED_NAME) + 13


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / SHIPPED_NAME, tmp_path / SHIPPED_NAME))


def test_a_path_is_as_good_as_a_name(segmenter, copied):
    assert Segmenter.load(str(copied)).id == segmenter.id


def test_changed_weights_are_refused(copied):
    weights = copied / "stardist.weights.h5"
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"stardist\.weights\.h5: its SHA-256 is not the one in config.json"):
        Segmenter.load(str(copied))


def test_weights_of_another_network_are_refused(copied):
    config = json.loads((copied / "config.json").read_text())
    config["stardist"]["unet_n_filter_base"] = 8
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="do not fit the network"):
        Segmenter.load(str(copied))


def test_a_model_of_another_kind_is_refused(copied):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "kind": "encoder"}))
    with pytest.raises(ModelError, match="not a segmenter"):
        Segmenter.load(str(copied))


def test_the_published_network_that_is_not_here_says_what_to_put_where():
    with pytest.raises(ModelError, match=r"weights_best.h5, thresholds.json\) at .*models/2D_versatile_fluo"):
        Segmenter.load("2D_versatile_fluo")


def test_an_unknown_name_is_refused():
    with pytest.raises(ModelError, match="no model of this name"):
        Segmenter.load("no-such-model")


@pytest.fixture
def published(segmenter, copied, tmp_path) -> Path:
    """Our weights in StarDist's own layout, written the way StarDist writes it (legacy HDF5)."""
    folder = tmp_path / "2D_versatile_fluo"
    folder.mkdir()
    segmenter._network.keras_model.save_weights(str(folder / "weights_best.h5"))
    (folder / "config.json").write_text(json.dumps(vars(segmenter._network.config)))
    thresholds = json.loads((copied / "config.json").read_text())["thresholds"]
    (folder / "thresholds.json").write_text(json.dumps(thresholds))
    return folder


def test_stardists_own_layout_loads_and_finds_the_same(segmenter, published):
    page = blobs(96, 120, [(40, 40), (60, 90)])
    theirs, ours = Segmenter.load(str(published)).outlines(page), segmenter.outlines(page)
    assert len(ours) >= 2
    assert np.allclose(theirs.polygons, ours.polygons, atol=1e-3)


@pytest.mark.parametrize("content", ["", "[]", '{"prob": 0.5}', '{"prob": "high", "nms": 0.3}'])
def test_broken_thresholds_are_refused(published, content):
    (published / "thresholds.json").write_text(content)
    with pytest.raises(ModelError, match="cannot be read"):
        Segmenter.load(str(published))


def test_a_network_for_colour_images_is_refused(published):
    config = json.loads((published / "config.json").read_text())
    (published / "config.json").write_text(json.dumps({**config, "n_channel_in": 3}))
    with pytest.raises(ModelError, match="one fluorescence channel"):
        Segmenter.load(str(published))


# --- a process of its own

SCRIPT = """
import sys
import numpy as np
from ctc_core.segment import Segmenter
assert not {"tensorflow", "stardist", "csbdeep", "skimage"} & set(sys.modules), "importing the room must stay cheap"
page = np.random.default_rng(0).integers(0, 99, (64, 64)).astype(np.uint8)
from ctc_core.settings import Settings
name = Settings.model_fields["segmenter"].default
Segmenter.load(name, threads=1, runtime="RUNTIME").outlines(page)
CHECK
"""
KEPT = 'assert sys.modules["tensorflow"].config.threading.get_intra_op_parallelism_threads() == 1'
LIGHT = 'assert not {"tensorflow", "keras", "torch", "matplotlib.pyplot"} & set(sys.modules), "needs no TensorFlow"'


@pytest.mark.parametrize(("runtime", "check"), [("exact", KEPT), ("openvino", LIGHT)])
def test_loading_is_lazy_and_silent_and_keeps_to_its_threads(runtime, check):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SCRIPT.replace("RUNTIME", runtime).replace("CHECK", check)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
