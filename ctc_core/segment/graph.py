"""StarDist's network as an OpenVINO graph, made from the Keras weights without TensorFlow.

The layers are those of StarDist 0.9's `StarDist2D._build` with csbdeep's U-Net, found by their names in the weights
file; every kernel is checked for its shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core._openvino import constant, openvino
from ctc_core._openvino import shape as shape_of
from ctc_core.errors import ModelError

Weights = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Kernel (out, in, kh, kw) and bias (out,) of each convolution by its name; those before the U-Net are `grid_<k>`."""

_DEFAULTS = {
    "unet_n_depth": 3,
    "unet_n_conv_per_depth": 2,
    "unet_kernel_size": (3, 3),
    "unet_pool": (2, 2),
    "unet_activation": "relu",
    "unet_last_activation": "relu",
    "unet_batch_norm": False,
    "unet_prefix": "",
    "net_conv_after_unet": 128,
}
"""StarDist's `Config2D` where a model's config is silent."""


def read_weights(path: Path) -> Weights:
    """Convolutions of a Keras weights file, of Keras 3 (`.weights.h5`) or of the legacy layout (`weights_best.h5`).

    Raises:
        ModelError: not such a file.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            found = dict(_keras3(file["layers"]) if "layers" in file else _legacy(file.get("model_weights", file)))
    except (OSError, KeyError, ValueError, AttributeError) as error:
        message = f"{path}: not a Keras weights file ({error}). Restore the model folder."
        raise ModelError(message) from error
    # Layers before the U-Net have no name of their own; Keras numbers them in the order they were made.
    unnamed = sorted((name for name in found if name.startswith("conv2d")), key=_number)
    named = {name: value for name, value in found.items() if name not in unnamed}
    return {**{f"grid_{k}": found[name] for k, name in enumerate(unnamed)}, **named}


def _keras3(layers: Any) -> Iterator[tuple[str, tuple[NDArray[np.float32], NDArray[np.float32]]]]:
    for layer in layers.values():
        values = layer["vars"]
        if len(values):
            yield str(values.attrs["name"]), _convolution(values["0"], values["1"])


def _legacy(layers: Any) -> Iterator[tuple[str, tuple[NDArray[np.float32], NDArray[np.float32]]]]:
    for name, layer in layers.items():
        paths = [text if isinstance(text, str) else text.decode() for text in layer.attrs["weight_names"]]
        if paths:
            yield name, _convolution(*(layer[path] for path in paths))


def _convolution(kernel: Any, bias: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Keras keeps (kh, kw, in, out)."""
    return np.ascontiguousarray(np.transpose(kernel[...], (3, 2, 0, 1)), np.float32), np.asarray(bias[...], np.float32)


def _number(name: str) -> int:
    found = re.search(r"_(\d+)$", name)
    return int(found.group(1)) if found else 0


def unet(parameters: Mapping[str, Any], weights: Weights, shape: tuple[int, int]) -> Any:
    """Graph (1, 1, h, w) normalised page -> probability (1, 1, h/gy, w/gx), distances (1, h/gy, w/gx, rays).

    Distances lie as OpenVINO computes them: to order them by ray takes a tenth of the network's time.

    Args:
        parameters: those of StarDist's `Config2D`.
        shape: h and w, multiples of `multiple_of(parameters)`.

    Raises:
        ModelError: a layer is missing or of another shape, or a kind of network that is not known here.
    """
    return _UNet({**_DEFAULTS, **parameters}, weights).model(shape)


def multiple_of(parameters: Mapping[str, Any]) -> int:
    """Edges of a page must be multiples of this."""
    known = {**_DEFAULTS, **parameters}
    return int(known["grid"][0] * known["unet_pool"][0] ** known["unet_n_depth"])


class _UNet:
    """The layers of one network while its graph is put together."""

    def __init__(self, parameters: Mapping[str, Any], weights: Weights) -> None:
        self.parameters, self.weights = parameters, weights
        self.ops = openvino().opset13
        odd = [
            name
            for name in ("unet_kernel_size", "unet_pool", "unet_activation", "unet_last_activation", "unet_batch_norm")
            if _plain(parameters[name]) != _plain(_DEFAULTS[name])
        ]
        if odd or _plain(parameters["grid"]) not in ([1, 1], [2, 2], [4, 4]):
            message = f"a StarDist network with another {', '.join(odd) or 'grid'}: use the exact runtime for it."
            raise ModelError(message)

    def model(self, shape: tuple[int, int]) -> Any:
        page = self.ops.parameter([1, 1, *shape], np.float32, name="page")
        layer = self._features(self._tower(self._to_grid(page)))
        probability = self.ops.sigmoid(self._conv("prob", layer, 1))
        distances = self._conv("dist", layer, self.parameters["n_rays"])
        distances = self.ops.transpose(distances, shape_of([0, 2, 3, 1]))
        return openvino().Model([probability, distances], [page], "stardist")

    def _to_grid(self, layer: Any) -> Any:
        """Full resolution down to the grid on which objects are predicted."""
        per_level, base = self.parameters["unet_n_conv_per_depth"], self._filters(0)
        for level in range(int(self.parameters["grid"][0]).bit_length() - 1):
            for k in range(per_level):
                layer = self._relu(f"grid_{level * per_level + k}", layer, base)
            layer = self._pool(layer)
        return layer

    def _tower(self, layer: Any) -> Any:
        """csbdeep's `unet_block`."""
        depth, convs, prefix = (self.parameters[f"unet_{name}"] for name in ("n_depth", "n_conv_per_depth", "prefix"))
        skips = []
        for n in range(depth):
            for i in range(convs):
                layer = self._relu(f"{prefix}down_level_{n}_no_{i}", layer, self._filters(n))
            skips.append(layer)
            layer = self._pool(layer)
        for i in range(convs - 1):
            layer = self._relu(f"{prefix}middle_{i}", layer, self._filters(depth))
        layer = self._relu(f"{prefix}middle_{convs}", layer, self._filters(max(0, depth - 1)))
        for n in reversed(range(depth)):
            filters = {f"{prefix}up_level_{n}_no_{i}": self._filters(n) for i in range(convs - 1)}
            filters[f"{prefix}up_level_{n}_no_{convs}"] = self._filters(max(0, n - 1))
            first, *others = filters
            layer = self._join(first, layer, skips[n], filters[first])
            for name in others:
                layer = self._relu(name, layer, filters[name])
        return layer

    def _join(self, name: str, low: Any, skip: Any, filters: int) -> Any:
        """The layer of `low`, each pixel four times, beside `skip`: each by its share of the kernel, then added.

        Of four pixels that are alike one product is enough, so `low` is not enlarged: its share is a transposed
        convolution of step 2 with 16 products for four pixels, not 36.
        """
        half = low.get_output_shape(0)[1]
        kernel, bias = self._kernel(name, half + skip.get_output_shape(0)[1], filters)
        enlarged = self.ops.convolution_backprop_data(
            low, constant(_of_doubled(kernel[:, :half])), [2, 2], pads_begin=[1, 1], pads_end=[1, 1], dilations=[1, 1]
        )
        return self.ops.relu(self.ops.add(enlarged, self._convolve(name, skip, kernel[:, half:], bias)))

    def _features(self, layer: Any) -> Any:
        after = self.parameters["net_conv_after_unet"]
        return self._relu("features", layer, after) if after else layer

    def _filters(self, level: int) -> int:
        base, expansion = self.parameters.get("unet_n_filter_base", 32), self.parameters.get("unet_expansion", 2)
        return int(base * expansion**level)

    def _relu(self, name: str, layer: Any, filters: int) -> Any:
        return self.ops.relu(self._conv(name, layer, filters))

    def _conv(self, name: str, layer: Any, filters: int) -> Any:
        """'same' convolution."""
        return self._convolve(name, layer, *self._kernel(name, layer.get_output_shape(0)[1], filters))

    def _convolve(self, name: str, layer: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
        pads = [kernel.shape[2] // 2, kernel.shape[3] // 2]
        found = self.ops.convolution(layer, constant(kernel), [1, 1], pads, pads, [1, 1])
        found.set_friendly_name(name)
        return self.ops.add(found, constant(bias.reshape(1, -1, 1, 1)))

    def _kernel(self, name: str, channels: int, filters: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Kernel and bias of a layer, checked."""
        try:
            kernel, bias = self.weights[name]
        except KeyError:
            message = f"these weights do not fit the network of its config.json (no layer {name})."
            raise ModelError(message) from None
        expected = (filters, channels)
        if kernel.shape[:2] != expected or bias.shape != (filters,):
            message = (
                f"these weights do not fit the network of its config.json ({name}: {kernel.shape[:2]}, not {expected})."
            )
            raise ModelError(message)
        return kernel, bias

    def _pool(self, layer: Any) -> Any:
        return openvino().opset1.max_pool(layer, [2, 2], [0, 0], [0, 0], [2, 2])


def _of_doubled(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """(in, out, 4, 4) of a transposed convolution of step 2 that does what `kernel` (out, in, 3, 3) does to an image
    whose pixels were doubled in both directions.
    """
    places = [[(0, 0), (0, 0), (i, 1 - i), (j, 1 - j)] for i in (0, 1) for j in (0, 1)]
    wide = np.sum([np.pad(kernel, place) for place in places], axis=0)
    return np.ascontiguousarray(wide.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], np.float32)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
