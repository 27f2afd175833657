"""How much arithmetic a network is: two operations for each product that is added to a sum."""

from __future__ import annotations

import math
from typing import Any

from ctc_core.encoder.graph import xcit
from ctc_core.models import load_config, model_folder
from ctc_core.segment.folders import locate
from ctc_core.segment.graph import multiple_of, read_weights, unet
from ctc_core.settings import Settings
from ctc_core.types import CROP_CHANNELS, CROP_PX


def of_graph(model: Any) -> float:
    """GFLOP of an OpenVINO graph whose shapes are fixed: its convolutions and products of matrices."""
    return sum(_operations(node) for node in model.get_ordered_ops()) / 1e9


def _operations(node: Any) -> int:
    out: int = math.prod(node.output(0).get_shape()) if node.get_output_size() else 0
    if node.get_type_name() == "Convolution":  # kernel (out, in, h, w)
        return 2 * out * int(math.prod(list(node.input(1).get_shape())[1:]))
    if node.get_type_name() == "ConvolutionBackpropData":  # kernel (in, out, h, w), for each pixel that comes in
        return 2 * int(math.prod(node.input(0).get_shape()) * math.prod(list(node.input(1).get_shape())[1:]))
    if node.get_type_name() == "GroupConvolution":  # kernel (groups, out, in, h, w)
        return 2 * out * int(math.prod(list(node.input(1).get_shape())[2:]))
    if node.get_type_name() == "MatMul":
        return 2 * out * int(node.input(0).get_shape()[-2 if node.get_attributes()["transpose_a"] else -1])
    return 0


def of_keras(network: Any, shape: tuple[int, int]) -> float:
    """GFLOP of a StarDist network of Keras on one page (h, w)."""
    import keras

    layers = [layer for layer in network.keras_model.layers if isinstance(layer, keras.layers.Conv2D)]
    answers = keras.Model(network.keras_model.input, [layer.output for layer in layers])
    shapes = answers.compute_output_shape((1, *shape, 1))
    kernels = [math.prod(layer.kernel.shape) for layer in layers]
    return float(sum(2 * kernel * math.prod(out[1:3]) for kernel, out in zip(kernels, shapes, strict=True)) / 1e9)


def of_page(settings: Settings, shape: tuple[int, int]) -> float:
    """GFLOP of the settings' segmenter on one page (h, w)."""
    source = locate(settings.segmenter)
    return of_graph(
        unet(source.parameters, read_weights(source.weights), padded(shape, multiple_of(source.parameters)))
    )


def padded(shape: tuple[int, int], step: int) -> tuple[int, int]:
    """The next multiples of `step`."""
    return math.ceil(shape[0] / step) * step, math.ceil(shape[1] / step) * step


def of_torch(network: Any, input_px: int) -> float:
    """GFLOP of an encoder of torch on one crop at an edge of its input."""
    from torch.utils.flop_counter import FlopCounterMode

    from ctc_core._torch import torch

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, len(CROP_CHANNELS), input_px, input_px))
    return float(counter.get_total_flops() / 1e9)


def of_crop(settings: Settings, input_px: int) -> float:
    """GFLOP of the settings' encoder on one crop at an edge of its input, as its OpenVINO graph has it."""
    from safetensors.numpy import load_file

    folder = model_folder(settings.encoder, settings.data_dir)
    (name,) = load_config(folder)["sha256"]
    model = xcit(load_file(folder / name), input_px)
    model.reshape([1, len(CROP_CHANNELS), CROP_PX, CROP_PX])
    return of_graph(model)
