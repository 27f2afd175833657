from itertools import islice, pairwise

import numpy as np

from ctc_core.encoder import data
from ctc_core.simulate.pairs import Pairs


def counted(monkeypatch):
    """Chunks of 8 objects, each full of its own number; returns the list of chunks rendered."""
    rendered = []

    def chunk(index, *, seed):
        rendered.append((index, seed))
        numbers = np.arange(8, dtype=np.uint8) + 8 * index
        return Pairs(numbers, numbers + 100)

    monkeypatch.setattr(data, "CHUNK", 8)
    monkeypatch.setattr(data, "training_chunk", chunk)
    return rendered


def numbers(batches):
    return [batch.shots.tolist() for batch in batches]


def test_ranges_of_patients_never_meet():
    ranges = [range(10_000_000), data.TRAINING_PATIENTS, data.VALIDATION_PATIENTS, data.EVALUATION_PATIENTS]
    assert all(a.stop <= b.start for a, b in pairwise(ranges))


def test_a_chunk_renders_its_own_training_patients(monkeypatch):
    asked = []

    def render(n, _seed, *, patients, ctc_share, crops_per_patient):
        asked.append((n, ctc_share, crops_per_patient, list(patients)))
        return Pairs(np.arange(n), -np.arange(n))

    monkeypatch.setattr(data, "render_pairs", render)
    chunks = [data.training_chunk(i, seed=seed) for i, seed in ((0, 0), (1, 0), (0, 1), (200_000, 3))]
    everyone = [number for *_, patients in asked for number in patients]
    assert [(n, share, each, len(patients)) for n, share, each, patients in asked] == [(1024, 0.4, 32, 32)] * 4
    assert len(set(everyone)) == 128
    assert set(everyone) <= set(data.TRAINING_PATIENTS)
    assert sorted(chunks[0].shots) == list(range(1024)) != chunks[0].shots.tolist()  # shuffled
    np.testing.assert_array_equal(chunks[0].shots, -chunks[0].clean)  # together


def test_batches_follow_the_chunks_and_can_start_anywhere(monkeypatch):
    rendered = counted(monkeypatch)
    assert numbers(islice(data.batches(4, seed=5), 3)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    rendered.clear()
    assert numbers(islice(data.batches(4, seed=5, start=3), 2)) == [[12, 13, 14, 15], [16, 17, 18, 19]]
    assert rendered == [(1, 5), (2, 5)]
