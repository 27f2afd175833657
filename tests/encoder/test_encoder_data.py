from itertools import islice, pairwise

import numpy as np

from ctc_core.encoder import data


def counted(monkeypatch):
    """Chunks of 8 crops, each full of its own number; returns the list of chunks rendered."""
    rendered = []

    def chunk(index, seed):
        rendered.append((index, seed))
        return np.repeat(np.arange(8, dtype=np.uint8) + 8 * index, 3 * 48 * 48).reshape(8, 3, 48, 48)

    monkeypatch.setattr(data, "CHUNK", 8)
    monkeypatch.setattr(data, "_render_chunk", chunk)
    return rendered


def numbers(batches):
    return [batch[:, 0, 0, 0].tolist() for batch in batches]


def test_ranges_of_patients_never_meet():
    ranges = [range(10_000_000), data.TRAINING_PATIENTS, data.VALIDATION_PATIENTS, data.EVALUATION_PATIENTS]
    assert all(a.stop <= b.start for a, b in pairwise(ranges))


def test_a_chunk_renders_its_own_training_patients(monkeypatch):
    asked = []

    def render(n, _seed, *, patients, crops_per_patient):
        asked.append((n, crops_per_patient, list(patients)))
        return np.zeros((n, 3, 48, 48), np.uint8), np.array(["ctc"] * n), np.ones(n, bool)

    monkeypatch.setattr(data, "render_crops", render)
    for index, seed in ((0, 0), (1, 0), (0, 1), (200_000, 3)):
        data.training_chunk(index, seed=seed)
    everyone = [number for _, _, patients in asked for number in patients]
    assert [(n, each, len(patients)) for n, each, patients in asked] == [(2048, 32, 64)] * 4
    assert len(set(everyone)) == 256
    assert set(everyone) <= set(data.TRAINING_PATIENTS)


def test_batches_follow_the_chunks_and_can_start_anywhere(monkeypatch):
    rendered = counted(monkeypatch)
    assert numbers(islice(data.batches(4, seed=5), 3)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    rendered.clear()
    assert numbers(islice(data.batches(4, seed=5, start=3), 2)) == [[12, 13, 14, 15], [16, 17, 18, 19]]
    assert rendered == [(1, 5), (2, 5)]


def test_a_kept_chunk_is_not_rendered_again(monkeypatch, tmp_path):
    rendered = counted(monkeypatch)
    monkeypatch.setattr(data, "simulator_version", lambda: "abc")
    first, second = (data.training_chunk(2, seed=0, cache=tmp_path / "crops") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert rendered == [(2, 0)]
    assert [path.name for path in (tmp_path / "crops").iterdir()] == ["abc-0000-00002.npy"]
    monkeypatch.setattr(data, "simulator_version", lambda: "def")
    data.training_chunk(2, seed=0, cache=tmp_path / "crops")
    assert rendered == [(2, 0), (2, 0)]  # crops of another simulator are not ours


def test_labelled_crops_of_real_patients():
    cells = data.labelled_crops(range(30_000_000, 30_000_002), seed=1, crops_per_patient=3)
    assert (cells.crops.shape, cells.crops.dtype) == ((6, 3, 48, 48), np.uint8)
    assert len(cells) == len(cells.is_ctc) == len(cells.kinds) == 6
