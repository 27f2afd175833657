import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch

from ctc_core.encoder import Embedder
from ctc_core.encoder.embedder import load_network
from ctc_core.encoder.network import build_network
from ctc_core.errors import ModelError
from ctc_core.models import write_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    folder.mkdir()
    safetensors.torch.save_file(build_network(seed=1).state_dict(), folder / "weights.safetensors")
    write_config(folder, {"kind": "encoder", "name": "tiny", "input_px": 24}, ["weights.safetensors"])
    return folder


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (7, 3, 48, 48), dtype=np.uint8)


def test_vectors_are_the_networks_on_the_preprocessed_crops(folder, crops):
    from ctc_core._torch import torch
    from ctc_core.encoder.preprocess import to_input

    vectors = Embedder.load(str(folder)).embed(crops)
    with torch.inference_mode():
        expected = build_network(seed=1).eval()(to_input(crops, 24)).numpy()
    assert (vectors.dtype, vectors.shape) == (np.float32, (7, 128))
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_same_crops_same_bytes(folder, crops):
    np.testing.assert_array_equal(Embedder.load(str(folder)).embed(crops), Embedder.load(str(folder)).embed(crops))


def test_crops_mapped_read_only_do(folder, crops, tmp_path):
    np.save(tmp_path / "crops.npy", crops)
    mapped = np.load(tmp_path / "crops.npy", mmap_mode="r")
    embedder = Embedder.load(str(folder))
    np.testing.assert_array_equal(embedder.embed(mapped), embedder.embed(crops))


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_batches_change_nothing(folder, crops, batch):
    embedder = Embedder.load(str(folder))
    np.testing.assert_allclose(embedder.embed(crops, batch=batch), embedder.embed(crops), atol=1e-4)


def test_no_crops_no_vectors(folder):
    vectors = Embedder.load(str(folder)).embed(np.zeros((0, 3, 48, 48), np.uint8))
    assert (vectors.shape, vectors.dtype) == ((0, 128), np.float32)


def test_identity_is_known_before_the_network_is_loaded(folder):
    embedder = Embedder.load(str(folder))
    assert (embedder.id[:5], len(embedder.id), embedder.input_px) == ("tiny-", 17, 24)
    assert embedder._network is None


def copy(folder, to, **changes):
    """The model folder again, with another config."""
    to.mkdir()
    (to / "weights.safetensors").write_bytes((folder / "weights.safetensors").read_bytes())
    write_config(to, {"kind": "encoder", "name": "tiny", "input_px": 24} | changes, ["weights.safetensors"])
    return to


def test_changed_weights_are_refused(folder, tmp_path):
    other = copy(folder, tmp_path / "other")
    weights = bytearray((other / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "weights.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match=r"weights\.safetensors: its SHA-256 is not the one"):
        Embedder.load(str(other))


def test_weights_changed_after_the_start_are_refused_too(folder, tmp_path, crops):
    other = copy(folder, tmp_path / "other")
    embedder = Embedder.load(str(other))
    (other / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="SHA-256"):
        embedder.embed(crops)


def test_weights_of_another_network_are_refused(tmp_path):
    safetensors.torch.save_file({"x": build_network(seed=1).cls_token.detach()}, tmp_path / "weights.safetensors")
    write_config(tmp_path, {"kind": "encoder", "name": "x", "input_px": 24}, ["weights.safetensors"])
    with pytest.raises(ModelError, match="not weights of"):
        load_network(tmp_path)


def test_weights_in_several_files_are_refused(folder, tmp_path):
    other = copy(folder, tmp_path / "other")
    (other / "more.bin").write_bytes(b"")
    config = {"kind": "encoder", "name": "tiny", "input_px": 24}
    write_config(other, config, ["weights.safetensors", "more.bin"])
    with pytest.raises(ModelError, match="not weights of"):
        load_network(other)


def test_an_encoder_of_a_data_folder_has_a_name(folder, tmp_path):
    (tmp_path / "models").mkdir()
    copy(folder, tmp_path / "models" / "mine")
    assert Embedder.load("mine", data_dir=tmp_path).id == Embedder.load(str(folder)).id
    with pytest.raises(ModelError, match="no model of this name"):
        Embedder.load("mine")


def test_a_segmenter_is_no_encoder(folder, tmp_path):
    with pytest.raises(ModelError, match="a segmenter, not an encoder"):
        Embedder.load(str(copy(folder, tmp_path / "other", kind="segmenter")))


def test_an_input_size_that_does_not_fit_is_refused(folder, tmp_path):
    with pytest.raises(ModelError, match="input size 50 px"):
        Embedder.load(str(copy(folder, tmp_path / "other", input_px=50)))
    write_config(tmp_path / "other", {"kind": "encoder", "name": "tiny"}, ["weights.safetensors"])
    with pytest.raises(ModelError, match="input size 0 px"):
        Embedder.load(str(tmp_path / "other"))


def test_importing_the_package_loads_no_torch():
    code = "import sys, ctc_core.encoder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
