"""StarDist, wrapped once: only this module imports `stardist.models` and `tensorflow`, and only when a network is
needed that the exact runtime (Keras) computes. The other runtime is in `segment.openvino`.

StarDist 2D (Schmidt et al., MICCAI 2018, https://arxiv.org/abs/1806.03535) predicts for every second pixel an object
probability and 32 distances to the outline; non-maximum suppression leaves one polygon per cell.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import ModelError
from ctc_core.segment.folders import locate
from ctc_core.segment.outlines import Outlines, empty_outlines, tidy
from ctc_core.settings import Runtime

PERCENTILES = (3.0, 99.8)
"""Grey values that become 0 and 1 (paper, Methods; csbdeep `normalize`)."""


class Segmenter:
    """Finds the outlines of CK-positive objects. Owns one network; made by `Segmenter.load`."""

    def __init__(self, network: Any, identity: str, find: Callable[[NDArray[np.float32]], Outlines] | None = None):
        """`find`: outlines on a normalised page; None: `network` is a `StarDist2D` of Keras."""
        self._network = network
        self._find = find or functools.partial(predict, network)
        self.id, self.precision = identity, str(getattr(network, "precision", "f32"))  # Keras: 32 bits

    @classmethod
    def load(cls, name_or_path: str, *, threads: int = 0, runtime: Runtime = Runtime.EXACT) -> Segmenter:
        """Load a model folder of ours, the published one (`2D_versatile_fluo`), or either by path.

        `threads`: of the network, 0 = all cores; those of TensorFlow (`exact`) are fixed for the process by whatever
        network is loaded first.

        Raises:
            ModelError: no such folder, a changed file, or weights that do not fit the network.
        """
        source = locate(name_or_path)
        if runtime != Runtime.EXACT:
            from ctc_core.segment.openvino import OpenVINOStarDist

            fast = OpenVINOStarDist.load(source, threads=threads, integers=runtime == Runtime.OPENVINO)
            return cls(fast, source.id, fast)
        network = build_network(source.parameters, threads=threads)
        load_weights(network, source.weights)
        set_thresholds(network, **source.thresholds)
        return cls(network, source.id)

    def outlines(self, ck: NDArray[Any]) -> Outlines:
        """Segment one CK page, (h, w) of any integer or float type, as stored in the archive (stretched). No cells:
        n = 0.
        """
        normalised = normalise(ck)
        return self._find(normalised) if normalised.any() else empty_outlines()


def normalise(image: NDArray[Any]) -> NDArray[np.float32]:
    """Scale so that the 3rd percentile is 0 and the 99.8th is 1, not clipped; float32 of the same shape.

    Equal to csbdeep's `normalize(image, 3, 99.8)` wherever that is defined. A page of one grey level is all zeros. On a
    nearly empty page both percentiles fall on one grey level, where csbdeep divides by 1e-20: the page's maximum
    becomes 1 instead.
    """
    if image.dtype in (np.uint8, np.uint16):  # each grey level once, not each pixel
        counts = np.bincount(image.ravel(), minlength=np.iinfo(image.dtype).max + 1)
        levels = np.arange(len(counts), dtype=np.float32)
        shades = _scaled(levels, *_percentiles(counts), float(np.flatnonzero(counts)[-1]))
        found: NDArray[np.float32] = shades[image]
        return found
    pixels = np.asarray(image, np.float32)
    low, high = np.percentile(pixels, PERCENTILES)
    return _scaled(pixels, low, high, pixels.max())


def _scaled(values: NDArray[np.float32], low: float, high: float, top: float) -> NDArray[np.float32]:
    high = high if high > low else top
    if high <= low:
        return np.zeros_like(values)
    return ((values - low) / (high - low)).astype(np.float32)


def _percentiles(counts: NDArray[np.int64]) -> tuple[float, float]:
    """`np.percentile(pixels, PERCENTILES)` of pixels given by the number of pixels at each grey level."""
    below = np.cumsum(counts)
    place = np.array(PERCENTILES) / 100 * (below[-1] - 1)
    lower, upper = (np.searchsorted(below, ends, side="right") for ends in (np.floor(place), np.ceil(place)))
    low, high = (lower + (place % 1) * (upper - lower)).tolist()
    return low, high


# --- the network -----------------------------------------------------------------------------------------------------


def build_network(parameters: Mapping[str, Any], *, threads: int = 0, seed: int | None = None) -> Any:
    """A `StarDist2D` with random weights that neither reads nor writes any folder. `parameters`: those of StarDist's
    `Config2D`.
    """
    _import_tensorflow(threads)
    with _quiet():
        import keras
        from stardist.models import Config2D, StarDist2D

        if seed is not None:
            keras.utils.set_random_seed(seed)
        return StarDist2D(Config2D(**parameters), name="stardist", basedir=None)


def set_thresholds(network: Any, *, prob: float, nms: float) -> None:
    """Object probability from which a pixel may become a cell, and overlap from which two polygons are one cell."""
    network.thresholds = {"prob": prob, "nms": nms}


def predict(network: Any, normalised: NDArray[np.float32]) -> Outlines:
    """Outlines on a normalised page, (h, w) float32."""
    with _quiet():
        _labels, found = network.predict_instances(normalised, return_labels=False, show_tile_progress=False)
    polygons = np.moveaxis(np.asarray(found["coord"], np.float32).reshape(-1, 2, network.config.n_rays), 1, 2)
    return tidy(polygons, np.asarray(found["prob"], np.float32), normalised.shape)


def ray_targets(
    labels: NDArray[Any], rays: int, grid: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the network shall answer for a label image (h, w), 0 = background, grid (gy, gx).

    Returns object probability (h/gy, w/gx) and distances (h/gy, w/gx, rays), both float32.
    """
    from stardist.geometry import star_dist
    from stardist.utils import edt_prob

    probability = edt_prob(labels[:: grid[0], :: grid[1]]).astype(np.float32)
    return probability, star_dist(labels, rays, mode="cpp", grid=grid)


AVERAGED = 0.999
"""Momentum of the moving average of the weights, which is what a model ships: about the last 1,000 steps."""


def compile_for_training(network: Any) -> None:
    """Attach StarDist's own losses (binary cross-entropy, masked mean absolute error of the rays) and an Adam that
    keeps a moving average of the weights beside them.
    """
    with _quiet():
        import keras

        adam = keras.optimizers.Adam(use_ema=True, ema_momentum=AVERAGED, ema_overwrite_frequency=None)
        network.prepare_for_training(adam)
        # Built here, so that a checkpoint's optimiser state finds its variables.
        adam.build(network.keras_model.trainable_variables)


def averaged_copy(network: Any) -> Any:
    """A network with the moving average of the weights of one that was trained; not compiled, so that what is saved of
    it is weights only.
    """
    weights = network.keras_model.get_weights()
    network.keras_model.optimizer.finalize_variable_values(network.keras_model.trainable_variables)
    copy = build_network({**vars(network.config)})
    copy.keras_model.set_weights(network.keras_model.get_weights())
    network.keras_model.set_weights(weights)
    return copy


def training_step(network: Any, images: NDArray[np.float32], labels: NDArray[Any], *, rate: float) -> float:
    """One step of Adam at learning rate `rate` on images (n, h, w) with labels (n, h, w); returns the loss."""
    targets = [ray_targets(one, network.config.n_rays, tuple(network.config.grid)) for one in labels]
    probability = np.stack([first for first, _ in targets])[..., None]
    distances = np.stack([second for _, second in targets])
    network.keras_model.optimizer.learning_rate.assign(rate)
    # StarDist's loss expects the mask of the distances as their last channel.
    truth = (probability, np.concatenate([distances, probability], axis=-1))
    with _quiet():
        return float(network.keras_model.train_on_batch((images[..., None],), truth)[0])


def save_weights(network: Any, path: Path) -> None:
    """Write Keras 3 weights (`.weights.h5`), with the optimiser's state if the network is compiled; the old file
    goes last.
    """
    partial = path.with_name(f"partial-{path.name}")
    with _quiet():
        network.keras_model.save_weights(str(partial))
    partial.replace(path)


def load_weights(network: Any, path: Path) -> None:
    """Load Keras weights into a network of the same shape.

    Raises:
        ModelError: unreadable, or weights of another network.
    """
    try:
        with _quiet():
            network.keras_model.load_weights(str(path))
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        message = (
            f"{path}: these weights do not fit the network of its config.json ({reason}). Restore the model folder."
        )
        raise ModelError(message) from error


def test_image() -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """The fluorescence image of 125 nuclei that is installed with StarDist: image and labels (512, 512)."""
    with _quiet():
        from stardist.data import test_image_nuclei_2d

        image, labels = test_image_nuclei_2d(return_mask=True)
    return image, labels.astype(np.int32)


# --- TensorFlow and its noise ----------------------------------------------------------------------------------------


def _import_tensorflow(threads: int) -> None:
    """Import TensorFlow silently; limit its threads if it has not started computing yet."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if threads:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with _quiet():
        import tensorflow as tf

        # RuntimeError: TensorFlow has computed something already and keeps the threads it has.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(min(threads, 1))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """StarDist prints from its constructor, and both libraries warn about their own insides: neither is the user's
    business.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
