"""Cross-covariance attention from the tokens' Gram matrix: the same sums in another order, and fewer of them.

Queries and keys are only read as products over all tokens. With Q = X A + 1 a and K = X B + 1 b of tokens X they are
Q'K = A'(X'X) B + ..., so the Gram matrix X'X is all that is needed of the tokens; and what attention and projection do
to the values is one matrix for each image. That saves the products with A, B and the values' own matrix, token by
token, which pays where there are more than `TOKENS` of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core._openvino import constant, openvino, shape

Linear = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weight (out, in) and bias (out,)."""

TOKENS = 250
"""Tokens of an image from which this is the faster way; by the number of multiplications it is so from 171."""

_TINY = 1e-24
"""Least square of a length that is divided by it."""


def gram_attention(
    tokens: Any, count: int, qkv: Linear, temperature: NDArray[np.float32], projection: Linear, heads: int
) -> Any:
    """XCiT's cross-covariance attention and its projection, (n, count, channels) -> the same.

    Args:
        count: number of tokens of an image.
        qkv: queries, keys and values from tokens, (3 channels, channels).
        temperature: (heads, 1, 1), of the softmax.
        projection: (channels, channels).
    """
    return _Gram(tokens, count, qkv, projection, heads).attention(temperature)


class _Gram:
    """The layers of one attention. c: channels; n: images; d = c / heads."""

    def __init__(self, tokens: Any, count: int, qkv: Linear, projection: Linear, heads: int) -> None:
        self.ops, self.tokens, self.count, self.heads = openvino().opset13, tokens, count, heads
        self.channels = len(projection[1])
        both = 2 * self.channels
        self.query_key, self.value = (qkv[0][:both], qkv[1][:both]), (qkv[0][both:], qkv[1][both:])
        self.projection = projection

    def attention(self, temperature: NDArray[np.float32]) -> Any:
        ops, (weight, bias) = self.ops, self.projection
        seen = self._softmax(temperature)  # (n, heads, d of queries, d of keys)
        by_head = weight.T.reshape(1, self.heads, -1, self.channels)
        mixed = ops.matmul(seen, constant(by_head), True, False)
        mixed = ops.reshape(mixed, shape([0, self.channels, self.channels]), special_zero=True)
        matrix = ops.matmul(constant(self.value[0].T[None]), mixed, False, False)  # (n, c, c)
        offset = ops.add(ops.matmul(constant(self.value[1][None, None]), mixed, False, False), constant(bias))
        return ops.add(ops.matmul(self.tokens, matrix, False, False), offset)

    def _softmax(self, temperature: NDArray[np.float32]) -> Any:
        """Of the cosines between queries and keys over all tokens."""
        ops, (weight, bias) = self.ops, self.query_key
        halves = slice(0, self.channels), slice(self.channels, None)
        products, sums = self._products()
        keys, key_bias = weight[halves[1]].reshape(self.heads, -1, self.channels), bias[halves[1]]
        covariance = ops.add(
            ops.matmul(self._queries(products), constant(keys[None]), False, True),
            ops.multiply(self._queries(sums), constant(key_bias.reshape(1, self.heads, 1, -1))),
        )
        inverse = ops.divide(constant(1.0), self._lengths(products, sums))
        scale = ops.multiply(self._queries(inverse), constant(temperature[None]))
        scale = ops.multiply(scale, ops.transpose(self._heads(inverse, halves[1]), shape([0, 2, 1, 3])))
        return ops.softmax(ops.multiply(covariance, scale), axis=3)

    def _products(self) -> tuple[Any, Any]:
        """Queries and keys, multiplied with the tokens and summed over them, (n, c, 2c); and their sums (n, 1, 2c)."""
        ops, (weight, bias) = self.ops, self.query_key
        gram = ops.matmul(self.tokens, self.tokens, True, False)  # (n, c, c)
        total = ops.reduce_sum(self.tokens, shape([1]), True)  # (n, 1, c)
        each = ops.multiply(ops.transpose(total, shape([0, 2, 1])), constant(bias[None, None]))
        products = ops.add(ops.matmul(gram, constant(weight), False, True), each)
        return products, ops.add(ops.matmul(total, constant(weight), False, True), constant(self.count * bias))

    def _lengths(self, products: Any, sums: Any) -> Any:
        """(n, 1, 2c): of each query's and key's channel over the tokens."""
        ops, (weight, bias) = self.ops, self.query_key
        squares = ops.reduce_sum(ops.multiply(products, constant(weight.T[None])), shape([1]), True)
        squares = ops.add(squares, ops.multiply(sums, constant(bias)))
        return ops.sqrt(ops.maximum(squares, constant(_TINY)))

    def _queries(self, values: Any) -> Any:
        """(n, k, 2c) -> (n, heads, d, k) of the queries."""
        return self.ops.transpose(self._heads(values, slice(0, self.channels)), shape([0, 2, 3, 1]))

    def _heads(self, values: Any, half: slice) -> Any:
        """(n, k, 2c) -> (n, k, heads, d) of one half."""
        start, stop = half.start, half.stop or 2 * self.channels
        part = self.ops.slice(values, shape([start]), shape([stop]), shape([1]), shape([2]))
        return self.ops.reshape(part, shape([0, 0, self.heads, self.channels // self.heads]), special_zero=True)
