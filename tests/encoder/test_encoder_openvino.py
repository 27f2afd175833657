"""The encoder's other runtime: the same vectors as torch, from the weights alone, without torch."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

from ctc_core._openvino import precision
from ctc_core.encoder import Embedder
from ctc_core.errors import ModelError
from ctc_core.models import model_folder, write_config
from ctc_core.settings import Runtime, Settings

WEIGHTS = "weights.safetensors"


@pytest.fixture(scope="module")
def weights():
    """Trained ones: nothing in them is at its start value, and vectors differ from cell to cell."""
    folder = model_folder(Settings.model_fields["encoder"].default)
    return safetensors.torch.load_file(folder / WEIGHTS)


def model(folder: Path, state, input_px: int = 48) -> str:
    folder.mkdir()
    safetensors.torch.save_file(state, folder / WEIGHTS)
    write_config(folder, {"kind": "encoder", "name": "m", "input_px": input_px}, [WEIGHTS])
    return str(folder)


@pytest.fixture(scope="module")
def crops():
    """(37, 3, 48, 48): discs of many sizes and brightnesses on noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48] - 24
    radius, light = rng.uniform(4, 14, (37, 3, 1, 1)), rng.uniform(0, 220, (37, 3, 1, 1))
    pages = light * (np.hypot(y, x) < radius) + rng.normal(20, 5, (37, 3, 48, 48))
    return np.clip(pages, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("input_px", [24, 48, 80, 128])  # 256 tokens: by the Gram matrix
def test_vectors_are_torchs(tmp_path, weights, crops, input_px):
    name = model(tmp_path / "m", weights, input_px)
    expected = Embedder.load(name, threads=1).embed(crops)
    fast = Embedder.load(name, threads=1, runtime=Runtime.OPENVINO)
    found = fast.embed(crops)
    assert (found.shape, found.dtype, fast.id) == ((37, 128), np.float32, Embedder.load(name).id)
    tolerance = 0.2 if precision() == "bf16" else 1e-4
    assert expected.std(axis=0).mean() > 0.03  # cells differ, so agreement means something
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_threads_and_read_only_maps_change_nothing(tmp_path, weights, crops):
    np.save(tmp_path / "crops.npy", crops)
    mapped = np.load(tmp_path / "crops.npy", mmap_mode="r")
    fast = Embedder.load(model(tmp_path / "m", weights), threads=2, runtime=Runtime.OPENVINO)
    expected = fast.embed(crops)
    with ThreadPoolExecutor(3) as callers:
        for found in callers.map(fast.embed, [mapped, crops, mapped[::-1][::-1]]):
            np.testing.assert_array_equal(found, expected)
    assert fast.embed(crops[:0]).shape == (0, 128)


@pytest.mark.parametrize(
    "broken",
    [
        lambda state: {key: value for key, value in state.items() if key != "blocks.3.attn.qkv.bias"},
        lambda state: {**state, "blocks.0.mlp.fc1.weight": state["blocks.0.mlp.fc1.weight"][:, :64].contiguous()},
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, weights, crops, broken):
    name = model(tmp_path / "m", broken(weights))
    with pytest.raises(ModelError, match="not weights of this network"):
        Embedder.load(name, runtime=Runtime.OPENVINO).embed(crops)


def test_other_crops_are_refused(tmp_path, weights, crops):
    fast = Embedder.load(model(tmp_path / "m", weights), runtime=Runtime.OPENVINO)
    with pytest.raises(ModelError, match="not uint8"):
        fast.embed(crops.astype(np.float32))


def test_needs_no_torch(tmp_path, weights):
    script = f"""
import sys
import numpy as np
from ctc_core.encoder import Embedder
from ctc_core.settings import Runtime
name = {model(tmp_path / "m", weights)!r}
Embedder.load(name, runtime=Runtime.OPENVINO).embed(np.zeros((3, 3, 48, 48), np.uint8))
assert not {{"torch", "timm", "tensorflow"}} & set(sys.modules)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
