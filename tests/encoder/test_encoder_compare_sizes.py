import json

import numpy as np
import pytest
import safetensors.torch

from ctc_core.encoder import compare_sizes, data
from ctc_core.encoder.network import build_network
from ctc_core.errors import ModelError
from ctc_core.models import write_config


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    folder.mkdir()
    safetensors.torch.save_file(build_network(seed=1).state_dict(), folder / "weights.safetensors")
    write_config(folder, {"kind": "encoder", "name": "tiny", "input_px": 16}, ["weights.safetensors"])
    return str(folder)


def test_sizes_see_the_same_crops_and_validation_patients(encoder, monkeypatch):
    asked = []

    def render(n, seed, *, patients, ctc_share, crops_per_patient):
        asked.append((n, seed, patients))
        rng = np.random.default_rng(seed)
        is_ctc = np.arange(n) % 2 == 0
        crops = rng.integers(0, 50, (n, 3, 48, 48), dtype=np.uint8)
        crops[is_ctc] += 150
        return crops, np.full(n, "some"), is_ctc

    monkeypatch.setattr(compare_sizes, "render_crops", render)
    monkeypatch.setattr(compare_sizes, "CROPS_PER_PATIENT", 4)
    monkeypatch.setattr(compare_sizes, "TIMED_CELLS", 2)
    result = compare_sizes.compare_sizes(encoder, sizes=(24, 16), crops=16, seeds=2, threads=1)
    json.dumps(result, allow_nan=False)
    assert [result[key] for key in ("threads", "crops", "seeds")] == [1, 16, 2]
    for key in ("cells_per_second", "times_the_largest", "seconds_of_training", "f1"):
        assert list(result[key]) == ["16", "24"]
    assert result["times_the_largest"]["24"] == 1
    perfect = {"all": pytest.approx({"mean": 1, "low": 1, "high": 1, "n": 2})}
    assert result["f1"] == {"16": perfect, "24": perfect}
    assert list(result["difference"]) == ["24"]
    learned, judged = asked[:2], asked[2:]
    assert learned[0] == learned[1] and set(learned[0][2]) <= set(data.TRAINING_PATIENTS)
    patients = [number for _, _, some in judged for number in some]
    assert len(set(patients)) == len(patients) == 2 * compare_sizes.PATIENTS
    assert set(patients) <= set(data.VALIDATION_PATIENTS)


def test_no_crops_leave_the_weights_as_they_are():
    network = compare_sizes.fine_tune(build_network(seed=2), 16, 0)
    for name, tensor in build_network(seed=2).state_dict().items():
        assert (network.state_dict()[name] == tensor).all()
    assert not network.training


def test_a_size_the_network_cannot_take_is_refused(encoder):
    with pytest.raises(ModelError, match="input size 50 px"):
        compare_sizes.compare_sizes(encoder, sizes=(48, 50))
