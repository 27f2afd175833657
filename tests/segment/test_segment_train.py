"""Training: it learns, a stopped run goes on as if it had never stopped, the folder it writes can be loaded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ctc_core.errors import Cancelled, ModelError
from ctc_core.models import load_config, model_id
from ctc_core.segment import Outlines, Segmenter, stardist, train
from ctc_core.segment.dataset import Sample, label_image
from ctc_core.segment.train import Recipe

SMALL = {"n_rays": 32, "grid": (2, 2), "n_channel_in": 1, "unet_n_depth": 1, "unet_n_filter_base": 4}
RECIPE = Recipe(seed=3, steps=4, batch=2, patch=64, frames=0)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(train, "NETWORK", {**SMALL, "net_conv_after_unet": 8})
    monkeypatch.setattr(train, "REPORT_EVERY", 1)
    monkeypatch.setattr(train, "KEEP_EVERY", 1)
    # Building the graph takes longer than these few steps.
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def nuclei(tmp_path: Path) -> Path:
    y, x = np.mgrid[:96, :96]
    mask = np.zeros((96, 96), np.uint16)
    for number, (cy, cx) in enumerate(((25, 25), (25, 70), (70, 25), (70, 70)), start=1):
        mask[(y - cy) ** 2 + (x - cx) ** 2 <= 81] = number
    arrays = {f"image_{k}": np.where(mask > 0, 150 + k, 20).astype(np.uint8) for k in range(10)}
    path = tmp_path / "nuclei.npz"
    np.savez(path, names=np.arange(10).astype(str), **arrays, **{f"mask_{k}": mask for k in range(10)})
    return path


def test_a_stopped_run_goes_on_to_the_same_weights(nuclei, tmp_path):
    losses: list[str] = []
    straight = train.train(nuclei, tmp_path / "straight", recipe=RECIPE, progress=lambda *step: losses.append(step[2]))
    assert len(losses) == 4

    def stop_after_two(done: int, _total: int, _note: str) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        train.train(nuclei, tmp_path / "stopped", recipe=RECIPE, progress=stop_after_two)
    with pytest.raises(ModelError, match="of another recipe"):
        train.train(nuclei, tmp_path / "stopped", recipe=Recipe(seed=4, steps=4, frames=0))
    resumed = train.train(nuclei, tmp_path / "stopped", recipe=RECIPE)

    weights = [Segmenter.load(str(folder))._network.keras_model.get_weights() for folder in (straight, resumed)]
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(*weights, strict=True))
    config = load_config(resumed)
    assert (config["kind"], config["name"], config["training"]["seed"]) == ("stardist2d", "stopped", 3)
    assert set(config["thresholds"]) == {"prob", "nms"}
    assert not list((resumed / "training").iterdir())


def test_a_start_from_other_weights_is_recorded_by_id_not_by_path(nuclei, tmp_path):
    recipe = Recipe(steps=1, batch=1, patch=64, frames=0)
    first = train.train(nuclei, tmp_path / "first", recipe=recipe)
    second = train.train(nuclei, tmp_path / "second", recipe=replace(recipe, start=str(first), learning_rate=0.0))
    assert load_config(second)["training"]["start"] == {"id": model_id(first), **load_config(first)["training"]}
    weights = [Segmenter.load(str(folder))._network.keras_model.get_weights() for folder in (first, second)]
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))


def test_steps_on_one_batch_reduce_its_loss():
    image = np.zeros((1, 32, 32), np.float32)
    image[0, 8:24, 8:24] = 1
    network = stardist.build_network(train.NETWORK, seed=0)
    stardist.compile_for_training(network)
    losses = [stardist.training_step(network, image, image.astype(np.int32), rate=2e-2) for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]


def test_the_learning_rate_is_held_and_then_falls_to_nothing():
    rates = [train._rate(Recipe(steps=8, hold=4, learning_rate=1.0), step) for step in range(9)]
    assert rates == pytest.approx([1, 1, 1, 1, 1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)
    assert train._rate(Recipe(steps=4, hold=4, learning_rate=2.0), 3) == 2.0


def test_what_is_shipped_is_the_moving_average_of_the_weights(monkeypatch):
    """Against the average computed here, step by step; the network itself goes on from where it was."""
    monkeypatch.setattr(stardist, "AVERAGED", 0.75)
    image = np.random.default_rng(0).random((1, 32, 32)).astype(np.float32)
    network = stardist.build_network(train.NETWORK, seed=0)
    stardist.compile_for_training(network)
    average = None
    for _ in range(3):
        stardist.training_step(network, image, (image > 0.5).astype(np.int32), rate=1e-2)
        weights = network.keras_model.get_weights()
        average = weights if average is None else [0.75 * a + 0.25 * w for a, w in zip(average, weights, strict=True)]
    shipped = stardist.averaged_copy(network).keras_model.get_weights()
    assert all(np.allclose(one, other, atol=1e-6) for one, other in zip(shipped, average, strict=True))
    assert not all(np.allclose(one, other, atol=1e-4) for one, other in zip(shipped, weights, strict=True))
    assert all(np.array_equal(*pair) for pair in zip(network.keras_model.get_weights(), weights, strict=True))


def disc(y: float, x: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return np.stack([y + 6 * np.sin(angle), x + 6 * np.cos(angle)], axis=1)


@pytest.mark.parametrize(("first", "expected"), [("ctc dim", 0.3), ("debris", 0.4)])
def test_thresholds_keep_the_ctcs_and_then_the_best_average_precision(monkeypatch, first, expected):
    """The first object is found with 0.32 only, among false outlines of 0.35 and less; the second with 0.62."""
    monkeypatch.setattr(train, "NMS_THRESHOLDS", (0.4,))
    polygons = np.stack([disc(20, 70), disc(20, 20), *(disc(70, x) for x in (15, 35, 55, 75))]).astype(np.float32)
    probability = np.array([0.62, 0.32, 0.35, 0.35, 0.35, 0.28], np.float32)
    found = Outlines(polygons.mean(axis=1), polygons, probability)
    monkeypatch.setattr(stardist, "set_thresholds", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(stardist, "predict", lambda *_args: found)
    labels = label_image([disc(20, 20), disc(20, 70)], (90, 90))
    sample = Sample("", np.zeros((90, 90), np.float32), labels, (first, "ctc ring"))
    assert train.choose_thresholds(None, [sample]) == {"prob": expected, "nms": 0.4}
