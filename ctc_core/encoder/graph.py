"""XCiT nano as an OpenVINO graph, made from the model folder's weights without torch and timm.

The same layers and the same arithmetic as timm's `xcit_nano_12_p8_224` in eval mode (`encoder.network`), with the
crop's way into the network (resizing, range) in front. Rewritten where that changes only the last digits: batch norms
that follow a convolution are part of it, weights of layer norms and layer scales are part of the layer beside them,
queries and keys are normalised after their product, which comes from the Gram matrix where there are many tokens
(`encoder.gram`), and the last class-attention layer computes the class token alone, the only one that is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core._openvino import constant, openvino, precision, shape
from ctc_core.encoder.gram import TOKENS, Linear, gram_attention
from ctc_core.encoder.sizes import PATCH_PX
from ctc_core.types import CROP_PX, EMBEDDING_DIM

Weights = Mapping[str, NDArray[np.float32]]
"""timm's state dict."""

HEADS, DEPTH, CLASS_DEPTH = 4, 12, 2
HEAD_DIM = EMBEDDING_DIM // HEADS
LAYER_NORM_EPS, BATCH_NORM_EPS = 1e-6, 1e-5
_TINY = 1e-12
"""Least length of a vector that is divided by it (torch's `normalize`)."""
PERCEPTRONS = tuple(f"blocks.{k}.mlp.{layer}" for k in range(DEPTH) for layer in ("fc1", "fc2"))
"""Layers with most of the arithmetic (three quarters at 224 px)."""


def xcit(weights: Weights, input_px: int, *, convolutions: bool = False) -> Any:
    """Graph (n, 3, 48, 48) uint8 crops -> (n, 128) class tokens, for any n.

    convolutions: make convolutions of the `PERCEPTRONS`, each of its name; many CPUs have fast convolutions of 8-bit
    integers, but no such matrix products.

    Raises:
        KeyError: a weight is missing.
    """
    return _XCiT(weights, input_px, convolutions=convolutions).model()


class _XCiT:
    """The layers of one network while its graph is put together."""

    def __init__(self, weights: Weights, input_px: int, *, convolutions: bool) -> None:
        self.weights, self.input_px, self.convolutions = weights, input_px, convolutions
        self.side = input_px // PATCH_PX
        # Squares of lengths come from differences of sums there, which 16 bits are too few for.
        self.by_gram = self.side**2 >= TOKENS and precision() == "f32"
        self.ops = openvino().opset13

    def model(self) -> Any:
        crops = self.ops.parameter([-1, 3, CROP_PX, CROP_PX], np.uint8, name="crops")
        tokens = self._tokens(self._input(crops))
        for k in range(DEPTH):
            tokens = self._block(f"blocks.{k}", tokens)
        head = self.ops.multiply(self._first(tokens), constant(np.zeros((1, 1, 1))))
        tokens = self.ops.concat([self.ops.add(head, self._weight("cls_token")), tokens], axis=1)
        for k in range(CLASS_DEPTH - 1):
            tokens = self._class_block(f"cls_attn_blocks.{k}", tokens)
        token = self._last_class_block(f"cls_attn_blocks.{CLASS_DEPTH - 1}", tokens)
        vectors = self.ops.reshape(self._layer_norm("norm", token), shape([-1, EMBEDDING_DIM]), special_zero=False)
        return openvino().Model([vectors], [crops], "xcit")

    def _input(self, crops: Any) -> Any:
        """As `preprocess.to_input`."""
        pixels = self.ops.multiply(self.ops.convert(crops, np.float32), constant(2 / 255))
        if self.input_px != CROP_PX:
            sizes, axes = (self.ops.constant(np.array(pair, np.int64)) for pair in ([self.input_px] * 2, [2, 3]))
            pixels = self.ops.interpolate(
                pixels, sizes, "linear_onnx", "sizes", None, None, "half_pixel", "round_prefer_floor", axes=axes
            )
        return self.ops.subtract(pixels, constant(1.0))

    def _tokens(self, pixels: Any) -> Any:
        """(n, tokens, 128) of the patch stem, with their place."""
        for k in (0, 2, 4):
            pixels = self._normed_conv(f"patch_embed.proj.{k}", pixels)
            pixels = pixels if k == 4 else self.ops.gelu(pixels, "erf")
        pixels = self.ops.add(pixels, constant(self._places()))
        return self._flat(pixels)

    def _normed_conv(self, name: str, pixels: Any) -> Any:
        """3 x 3 convolution of stride 2 and the batch norm behind it."""
        scale, offset = self._batch_norm(f"{name}.1")
        kernel = self.weights[f"{name}.0.weight"] * scale[:, None, None, None]
        found = self.ops.convolution(pixels, constant(kernel), [2, 2], [1, 1], [1, 1], [1, 1])
        return self.ops.add(found, constant(offset.reshape(1, -1, 1, 1)))

    def _batch_norm(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        gamma, beta, mean, var = (
            self.weights[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(var + BATCH_NORM_EPS)
        return scale, beta - mean * scale

    def _places(self) -> NDArray[np.float32]:
        """(1, 128, side, side): timm's `PositionalEncodingFourier`, a constant of the input's size."""
        weight, bias = (self.weights[f"pos_embed.token_projection.{part}"] for part in ("weight", "bias"))
        hidden = weight.shape[1] // 2
        steps = np.arange(1, self.side + 1, dtype=np.float32) / np.float32(self.side + 1e-6) * np.float32(2 * np.pi)
        wave = 10000.0 ** (2 * (np.arange(hidden) // 2) / hidden)
        angles = steps[:, None] / wave.astype(np.float32)
        line = np.stack([np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])], axis=2).reshape(self.side, hidden)
        y, x = np.broadcast_arrays(line[:, None], line[None])
        features = np.concatenate([y, x], axis=2) @ weight[:, :, 0, 0].T + bias
        return np.asarray(np.moveaxis(features, 2, 0)[None], np.float32)

    def _block(self, name: str, tokens: Any) -> Any:
        """Cross-covariance attention, local patch interaction, perceptron: timm's `XCABlock`."""
        tokens = self.ops.add(tokens, self._covariance_attention(name, self._normed(tokens)))
        local = self._local(f"{name}.local_mp", self._layer_norm(f"{name}.norm3", tokens))
        tokens = self._residual(tokens, f"{name}.gamma3", local)
        return self.ops.add(tokens, self._tokens_perceptron(name, self._normed(tokens)))

    def _covariance_attention(self, name: str, normed: Any) -> Any:
        """Channels attend to channels: softmax of the cross-covariance of normalised queries and keys."""
        qkv = self._folded(f"{name}.attn.qkv", norm=f"{name}.norm1")
        projection = self._folded(f"{name}.attn.proj", scale=f"{name}.gamma1")
        temperature = self.weights[f"{name}.attn.temperature"]
        if self.by_gram:
            return gram_attention(normed, self.side**2, qkv, temperature, projection, HEADS)
        ops = self.ops
        parts = ops.reshape(self._product(normed, qkv), shape([0, 0, 3, HEADS, HEAD_DIM]), special_zero=True)
        parts = ops.transpose(parts, shape([2, 0, 3, 1, 4]))  # (3, n, heads, tokens, 32)
        query, key, value = (ops.gather(parts, self._index(k), self._index(0)) for k in range(3))
        covariance = ops.matmul(query, key, True, False)
        scale = ops.divide(constant(temperature), self._length(query))
        scale = ops.multiply(ops.transpose(scale, shape([0, 1, 3, 2])), ops.divide(constant(1.0), self._length(key)))
        weights = ops.softmax(ops.multiply(covariance, scale), axis=3)
        found = ops.transpose(ops.matmul(value, weights, False, True), shape([0, 2, 1, 3]))
        return self._product(self._joined(found), projection)

    def _length(self, values: Any) -> Any:
        """(n, heads, 1, 32): length of each channel over the tokens."""
        squares = self.ops.reduce_sum(self.ops.multiply(values, values), shape([2]), True)
        return self.ops.maximum(self.ops.sqrt(squares), constant(_TINY))

    def _local(self, name: str, tokens: Any) -> Any:
        """Two depthwise 3 x 3 convolutions among neighbouring patches."""
        square = self.ops.reshape(tokens, shape([0, self.side, self.side, EMBEDDING_DIM]), special_zero=True)
        pixels = self.ops.transpose(square, shape([0, 3, 1, 2]))
        scale, offset = (part.reshape(1, -1, 1, 1) for part in self._batch_norm(f"{name}.bn"))
        pixels = self.ops.gelu(self._depthwise(f"{name}.conv1", pixels), "erf")
        pixels = self.ops.add(self.ops.multiply(pixels, constant(scale)), constant(offset))
        return self._flat(self._depthwise(f"{name}.conv2", pixels))

    def _depthwise(self, name: str, pixels: Any) -> Any:
        kernel, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        found = self.ops.group_convolution(pixels, constant(kernel[:, None]), [1, 1], [1, 1], [1, 1], [1, 1])
        return self.ops.add(found, constant(bias.reshape(1, -1, 1, 1)))

    def _class_block(self, name: str, tokens: Any) -> Any:
        """The class token looks at all tokens: timm's `ClassAttentionBlock`."""
        normed = self._layer_norm(f"{name}.norm1", tokens)
        attended = self.ops.concat([self._class_attention(f"{name}.attn", normed), self._rest(normed)], axis=1)
        tokens = self._residual(tokens, f"{name}.gamma1", attended)
        token, rest = self._class_perceptron(name, self._first(tokens)), self._rest(tokens)
        return self.ops.concat([token, self.ops.add(rest, rest)], axis=1)

    def _last_class_block(self, name: str, tokens: Any) -> Any:
        attended = self._class_attention(f"{name}.attn", self._layer_norm(f"{name}.norm1", tokens))
        return self._class_perceptron(name, self._residual(self._first(tokens), f"{name}.gamma1", attended))

    def _class_perceptron(self, name: str, token: Any) -> Any:
        token = self._layer_norm(f"{name}.norm2", token)
        return self._residual(token, f"{name}.gamma2", self._perceptron(name, token))

    def _class_attention(self, name: str, tokens: Any) -> Any:
        query = self._heads(self._linear(f"{name}.q", self._first(tokens)))
        key, value = (self._heads(self._linear(f"{name}.{part}", tokens)) for part in ("k", "v"))
        scores = self.ops.multiply(self.ops.matmul(query, key, False, True), constant(HEAD_DIM**-0.5))
        found = self.ops.matmul(self.ops.softmax(scores, axis=3), value, False, False)
        return self._linear(f"{name}.proj", self._joined(self.ops.transpose(found, shape([0, 2, 1, 3]))))

    def _tokens_perceptron(self, name: str, normed: Any) -> Any:
        first = self._folded(f"{name}.mlp.fc1", norm=f"{name}.norm2")
        second = self._folded(f"{name}.mlp.fc2", scale=f"{name}.gamma2")
        if not self.convolutions:
            return self._product(self.ops.gelu(self._product(normed, first), "erf"), second)
        turned = shape([0, 2, 1])
        hidden = self._point(f"{name}.mlp.fc1", self.ops.transpose(normed, turned), first)
        return self.ops.transpose(self._point(f"{name}.mlp.fc2", self.ops.gelu(hidden, "erf"), second), turned)

    def _point(self, name: str, values: Any, linear: Linear) -> Any:
        """(n, in, tokens) -> (n, out, tokens) by a convolution of width 1."""
        found = self.ops.convolution(values, constant(linear[0][:, :, None]), [1], [0], [0], [1])
        found.set_friendly_name(name)
        return self.ops.add(found, constant(linear[1].reshape(1, -1, 1)))

    def _perceptron(self, name: str, tokens: Any) -> Any:
        return self._linear(f"{name}.mlp.fc2", self.ops.gelu(self._linear(f"{name}.mlp.fc1", tokens), "erf"))

    def _linear(self, name: str, values: Any) -> Any:
        return self._product(values, self._folded(name))

    def _product(self, values: Any, linear: Linear) -> Any:
        return self.ops.add(self.ops.matmul(values, constant(linear[0]), False, True), constant(linear[1]))

    def _folded(self, name: str, *, norm: str | None = None, scale: str | None = None) -> Linear:
        """A linear layer with the weights of the layer norm in front of it, or the layer scale behind it."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        if norm:
            weight, bias = weight * self.weights[f"{norm}.weight"], bias + weight @ self.weights[f"{norm}.bias"]
        if scale:
            weight, bias = weight * self.weights[scale][:, None], bias * self.weights[scale]
        return weight, bias

    def _layer_norm(self, name: str, values: Any) -> Any:
        scaled = self.ops.multiply(self._normed(values), self._weight(f"{name}.weight"))
        return self.ops.add(scaled, self._weight(f"{name}.bias"))

    def _normed(self, values: Any) -> Any:
        """Layer norm without weights."""
        return self.ops.mvn(values, shape([-1]), True, LAYER_NORM_EPS, "inside_sqrt")

    def _residual(self, values: Any, gamma: str, change: Any) -> Any:
        return self.ops.add(values, self.ops.multiply(self._weight(gamma), change))

    def _weight(self, name: str) -> Any:
        return constant(self.weights[name])

    def _index(self, k: int) -> Any:
        return self.ops.constant(np.int64(k))

    def _flat(self, pixels: Any) -> Any:
        """(n, 128, side, side) -> (n, tokens, 128)."""
        flat = self.ops.reshape(pixels, shape([0, 0, self.side**2]), special_zero=True)
        return self.ops.transpose(flat, shape([0, 2, 1]))

    def _heads(self, tokens: Any) -> Any:
        """(n, tokens, 128) -> (n, heads, tokens, 32)."""
        parts = self.ops.reshape(tokens, shape([0, 0, HEADS, HEAD_DIM]), special_zero=True)
        return self.ops.transpose(parts, shape([0, 2, 1, 3]))

    def _joined(self, parts: Any) -> Any:
        """(n, tokens, heads, 32) -> (n, tokens, 128)."""
        return self.ops.reshape(parts, shape([0, 0, EMBEDDING_DIM]), special_zero=True)

    def _first(self, tokens: Any) -> Any:
        return self.ops.slice(tokens, shape([0]), shape([1]), shape([1]), shape([1]))

    def _rest(self, tokens: Any) -> Any:
        return self.ops.slice(tokens, shape([1]), shape([np.iinfo(np.int64).max]), shape([1]), shape([1]))
