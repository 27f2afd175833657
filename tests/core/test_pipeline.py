"""One archive to one bundle: what is found, what is kept when a process dies, what a broken frame costs."""

from pathlib import Path

import numpy as np
import pytest

from ctc_core.cartridge import VARIANTS, open_cartridge
from ctc_core.encoder.crops import load_crops
from ctc_core.errors import Cancelled, UserError
from ctc_core.pipeline import ingest, segment_archive
from ctc_core.store import read_bundle
from ctc_core.types import Progress, silent
from tests.support import DISCS, OUTCOME, ProjectingEmbedder, ThresholdSegmenter, make_archive


def _ingest(
    archive: Path,
    folder: Path,
    segmenter: ThresholdSegmenter,
    embedder: ProjectingEmbedder,
    progress: Progress = silent,
) -> dict[str, object]:
    folder.mkdir(exist_ok=True)
    cartridge = open_cartridge(archive)
    return ingest(cartridge, folder, segmenter, embedder, pseudonym="p-1", role="review", progress=progress)


def cancel_at_third(done: int, total: int, note: str) -> None:
    """A `Progress` of somebody who cancels when two frames are through."""
    if done == 2:
        raise Cancelled("now")


def test_outcome_and_bundle(
    archive: Path, tmp_path: Path, segmenter: ThresholdSegmenter, embedder: ProjectingEmbedder
) -> None:
    outcome = _ingest(archive, tmp_path / "job", segmenter, embedder)
    outcome.pop("seconds")
    assert outcome == OUTCOME
    bundle = read_bundle(tmp_path / "job" / "bundle")
    cells = bundle.table("cells").to_pandas()
    expected = [(frame, *centre) for frame, centres in DISCS.items() for centre in sorted(centres)]
    assert [(row.frame, round(row.y), round(row.x)) for row in cells.itertuples()] == expected
    assert cells.cell_id.tolist()[0] == "171651.1.2-001-0040-0050"
    assert cells.crop_index.tolist() == list(range(6))
    # A disc of radius 8 px at .64 um/px; centre pixel of each crop lies inside the disc in DAPI and CK, not in CD45.
    assert cells.diameter_um.to_numpy() == pytest.approx(2 * 8 * 0.64, rel=0.08)
    crops = bundle.array("crops")
    assert (crops[:, :2, 24, 24] > 200).all() and (crops[:, 2, 24, 24] < 255).all()
    np.testing.assert_allclose(bundle.array("vectors"), embedder.embed(np.asarray(crops)), rtol=1e-4, atol=1e-4)
    assert bundle.array("event_crops").shape == (3, 3, 48, 48)
    assert bundle.array("event_crops")[0, 1, 24, 24] > 200
    assert not (tmp_path / "job" / "parts").exists()


def test_the_same_archive_gives_the_same_bundle(
    archive: Path, tmp_path: Path, segmenter: ThresholdSegmenter, embedder: ProjectingEmbedder
) -> None:
    ids = []
    for name in ("a", "b"):
        _ingest(archive, tmp_path / name, segmenter, embedder)
        ids.append(read_bundle(tmp_path / name / "bundle").manifest.bundle_id)
    assert ids[0] == ids[1]


def test_goes_on_from_finished_frames(
    archive: Path, tmp_path: Path, segmenter: ThresholdSegmenter, embedder: ProjectingEmbedder
) -> None:
    with pytest.raises(Cancelled):
        _ingest(archive, tmp_path / "job", segmenter, embedder, cancel_at_third)
    assert segmenter.calls == 2
    resumed = _ingest(archive, tmp_path / "job", segmenter, embedder)
    assert (segmenter.calls, resumed["cells"]) == (4, 6)


@pytest.mark.parametrize("lanes", [2, 3])
def test_frames_at_a_time_change_nothing(
    archive: Path, tmp_path: Path, segmenter: ThresholdSegmenter, embedder: ProjectingEmbedder, lanes: int
) -> None:
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int, _note: str) -> None:
        seen.append((done, total))

    ids = []
    for name, at_a_time in (("one", 1), ("more", lanes)):
        (tmp_path / name).mkdir()
        given = {"pseudonym": "p-1", "role": "review", "progress": note, "lanes": at_a_time}
        ingest(open_cartridge(archive), tmp_path / name, segmenter, embedder, **given)  # type: ignore[arg-type]
        ids.append(read_bundle(tmp_path / name / "bundle").manifest.bundle_id)
    assert ids[0] == ids[1]
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)] * 2


def test_what_was_cancelled_between_lanes_goes_on_from_its_frames(
    archive: Path, tmp_path: Path, segmenter: ThresholdSegmenter, embedder: ProjectingEmbedder
) -> None:
    (tmp_path / "job").mkdir()
    given = {"pseudonym": "p-1", "role": "review", "lanes": 2}
    with pytest.raises(Cancelled):
        ingest(open_cartridge(archive), tmp_path / "job", segmenter, embedder, progress=cancel_at_third, **given)  # type: ignore[arg-type]
    assert 2 <= segmenter.calls <= 4
    ingest(open_cartridge(archive), tmp_path / "job", segmenter, embedder, progress=silent, **given)  # type: ignore[arg-type]
    assert segmenter.calls == 4


def test_frames_of_another_network_are_not_reused(
    archive: Path, tmp_path: Path, segmenter: ThresholdSegmenter, embedder: ProjectingEmbedder
) -> None:
    with pytest.raises(Cancelled):
        _ingest(archive, tmp_path / "job", segmenter, embedder, cancel_at_third)
    other = ThresholdSegmenter(id="threshold-2")
    _ingest(archive, tmp_path / "job", other, embedder)
    assert other.calls == 4


def test_a_broken_frame_is_quarantined_and_the_rest_is_read(
    tmp_path: Path, segmenter: ThresholdSegmenter, embedder: ProjectingEmbedder
) -> None:
    archive = make_archive(tmp_path / "inbox", "9.1", VARIANTS["truncated-page"])
    outcome = _ingest(archive, tmp_path / "job", segmenter, embedder)
    assert (outcome["status"], outcome["frames_read"], outcome["cells"]) == ("flagged", 3, 5)
    quarantined = outcome["frames_quarantined"]
    assert isinstance(quarantined, list) and [entry["frame"] for entry in quarantined] == [2]
    frames = read_bundle(tmp_path / "job" / "bundle").table("frames").to_pandas()
    assert frames.status.tolist() == ["read", "quarantined", "read", "read"]


def test_progress_counts_frames(
    archive: Path, tmp_path: Path, segmenter: ThresholdSegmenter, embedder: ProjectingEmbedder
) -> None:
    seen: list[tuple[int, int]] = []
    _ingest(archive, tmp_path / "job", segmenter, embedder, lambda done, total, _note: seen.append((done, total)))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_cells_without_a_store(archive: Path, segmenter: ThresholdSegmenter) -> None:
    cells = segment_archive(archive, segmenter, silent)
    assert cells.groupby("frame").size().to_dict() == {1: 2, 2: 1, 4: 3}


@pytest.mark.parametrize(
    ("array", "words"),
    [(np.zeros((2, 3, 49, 48), np.uint8), r"holds uint8 \(2, 3, 49, 48\)"), (np.zeros((2, 3, 48, 48)), "float64")],
)
def test_crops_of_another_shape_are_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "c.npy", array)
    with pytest.raises(UserError, match=words):
        load_crops(tmp_path / "c.npy")


def test_a_file_that_is_no_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.npy").write_text("cells")
    with pytest.raises(UserError, match=r"cannot be read as a \.npy file"):
        load_crops(tmp_path / "c.npy")
