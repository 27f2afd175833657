"""Measures of a clean photograph in grey values: how much light, how large, what lies in what, what leaks into CD45.

A clean photograph (`simulate.pairs`) shows one object alone on a logarithmic scale. Turned back into grey values it
says things that shares of a stretched crop cannot: a diameter at a given level, which tells points from cells; how
much of CD45 is a constant share of CK (shine-through) and how much is the cell's own; DNA within the CK body.
No kind and no class is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.simulate.camera import WHITE
from ctc_core.simulate.pairs import FAINT
from ctc_core.types import CROP_PX

LEVELS = (30, 80, 200, 600, 1800)
"""Grey values at which diameters are taken."""

SHARES = (0.25, 0.5, 0.75)
"""Shares of the peak at which diameters are taken."""

BODY, NUCLEUS = 0.35, 0.4
"""Shares of the peak of CK and DAPI above which pixels are body and nucleus."""

LEAST_PEAK, LEAST_DAPI = 8.0, 25.0
"""Grey values: a fainter peak has no size, a fainter DAPI peak no nucleus."""

LEAST_TOTAL = 300.0
"""Grey values summed over the crop: less light has no axes."""

LEAST_RATIO = 0.2
"""Share of the body's pixels with a smaller CD45 : CK; what leaks shows everywhere, a membrane's stain does not."""

N_MEASURES = 3 * (2 + len(LEVELS) + len(SHARES) + 3) + 16

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Object:
    light: Pixels
    """(n, 3, p) grey values DAPI, CK, CD45."""
    peak: Pixels
    """(n, 3) grey value of the third brightest pixel."""
    body: Mask
    """(n, p)."""
    nucleus: Mask
    """(n, p)."""


def measures(clean: NDArray[np.uint8]) -> Pixels:
    """(n, 3, 48, 48) uint8 clean photographs -> (n, 55) float32. Unchanged when turned by 90 degrees or mirrored.

    Per channel: logarithm of total light and of the peak, diameters (px) at `LEVELS` and `SHARES`, long and short axis
    (px), logarithm of the mean in the body. Then nucleus and body (shares, logarithms of ratios), CD45 that goes with
    CK and that does not, correlations, and grain of each channel where it belongs.
    """
    light = expand(clean).reshape(len(clean), 3, -1)
    peak = np.asarray(np.partition(light, -3, axis=2)[..., -3], np.float32)
    body = light[:, 1] > BODY * peak[:, 1:2]
    nucleus = (light[:, 0] > NUCLEUS * peak[:, :1]) & (peak[:, :1] > LEAST_DAPI)
    seen = _Object(light, peak, body, nucleus)
    columns = [*_light(seen), *_diameters(seen), *_axes(seen), _in_body(seen)]
    single = [*_nucleus_and_body(seen), *_leak(seen), *_correlations(seen), *_grain(seen)]
    return np.concatenate([*columns, np.stack(single, 1)], axis=1, dtype=np.float32)


def expand(clean: NDArray[np.uint8]) -> Pixels:
    """0..255 -> grey values 0..4095, float32: the inverse of `simulate.pairs.compress`, but for its rounding."""
    scale = np.float32(np.log1p(WHITE / FAINT) / 255)
    return np.asarray(np.float32(FAINT) * np.expm1(clean * scale), np.float32)


def _light(seen: _Object) -> list[Pixels]:
    return [np.log1p(seen.light.sum(2) / 300), np.log1p(seen.peak / 20)]


def _diameters(seen: _Object) -> list[NDArray[np.floating]]:
    """Square roots of areas, px."""
    absolute = [np.sqrt((seen.light > level).sum(2)) for level in LEVELS]
    shares = [np.sqrt((seen.light > share * seen.peak[..., None]).sum(2)) for share in SHARES]
    return [*absolute, *(px * (seen.peak > LEAST_PEAK) for px in shares)]


def _axes(seen: _Object) -> list[NDArray[np.floating]]:
    """Square roots of the light's larger and smaller moment about its centre, px."""
    total = seen.light.sum(2, keepdims=True)
    weight = seen.light / np.maximum(total, 1)
    y, x = np.mgrid[:CROP_PX, :CROP_PX].reshape(2, -1) - (CROP_PX - 1) / 2
    mean_y, mean_x = weight @ y, weight @ x
    yy, xx = weight @ y**2 - mean_y**2, weight @ x**2 - mean_x**2
    middle, apart = (yy + xx) / 2, np.hypot((yy - xx) / 2, weight @ (y * x) - mean_y * mean_x)
    lit = total[..., 0] > LEAST_TOTAL
    return [np.sqrt(np.maximum(moment, 0)) * lit for moment in (middle + apart, middle - apart)]


def _in_body(seen: _Object) -> Pixels:
    return np.log1p(_mean(seen.light, seen.body[:, None]) / 20)


def _mean(values: Pixels, where: Mask) -> Pixels:
    """Over the last axis, of the pixels in `where`; 0 where there is none."""
    return np.asarray((values * where).sum(-1) / np.maximum(where.sum(-1), 1), np.float32)


def _nucleus_and_body(seen: _Object) -> list[NDArray[np.floating]]:
    """Share of the body covered by the nucleus, share of the nucleus outside the body, log ratio of their areas, log
    ratio of DAPI and CK in the body."""
    body, nucleus = seen.body.sum(1), seen.nucleus.sum(1)
    cover = (seen.nucleus & seen.body).sum(1) / np.maximum(body, 1)
    outside = (seen.nucleus & ~seen.body).sum(1) / np.maximum(nucleus, 1)
    dapi, ck = (_mean(seen.light[:, channel], seen.body) for channel in (0, 1))
    return [cover, outside, np.log((nucleus + 3) / (body + 3)), np.log((dapi + 10) / (ck + 10))]


def _leak(seen: _Object) -> list[NDArray[np.floating]]:
    """CD45 as a share of CK, by the body's lower pixels and by least squares (logarithms); the light beyond each."""
    _, ck, cd45 = np.moveaxis(seen.light, 1, 0)
    low = _low_ratio(cd45 / (ck + 10), seen.body)
    slope = (cd45 * ck).sum(1) / ((ck * ck).sum(1) + 1e4)
    own = np.maximum(cd45 - low[:, None] * ck, 0)
    own_level = _mean(own, seen.body)
    return [
        np.log(low + 0.003),
        np.log(slope + 0.003),
        np.log1p(own.sum(1) / 300),
        np.log1p(np.abs(cd45 - slope[:, None] * ck).sum(1) / 300),
        np.log1p(own_level / 10),
        np.log((own_level + 5) / (_mean(ck, seen.body) + 10)),
    ]


def _low_ratio(ratio: Pixels, body: Mask) -> Pixels:
    """(n,) the value below which `LEAST_RATIO` of the body's ratios lie; 0 without a body."""
    ordered = np.sort(np.where(body, ratio, np.inf), axis=1)
    last = np.maximum(body.sum(1) - 1, 0)
    found = np.take_along_axis(ordered, (LEAST_RATIO * last).astype(np.int64)[:, None], 1)[:, 0]
    return np.asarray(np.where(body.any(1), found, 0), np.float32)


def _correlations(seen: _Object) -> list[NDArray[np.floating]]:
    """Of CD45-CK, DAPI-CK, CD45-DAPI over all that is lit, drawn to 0 where there is hardly any light."""
    where = (seen.light[:, 1] > 0.1 * seen.peak[:, 1:2]) | seen.nucleus
    dapi, ck, cd45 = ((page - _mean(page, where)[:, None]) * where for page in np.moveaxis(seen.light, 1, 0))
    pairs = ((cd45, ck), (dapi, ck), (cd45, dapi))
    return [(a * b).sum(1) / (np.sqrt((a * a).sum(1) * (b * b).sum(1)) + 50) for a, b in pairs]


def _grain(seen: _Object) -> list[NDArray[np.floating]]:
    """Spread over mean: of CK and CD45 in the body, of DAPI in the nucleus."""
    places = ((1, seen.body), (0, seen.nucleus), (2, seen.body))
    return [_relative_spread(seen.light[:, channel], where) for channel, where in places]


def _relative_spread(values: Pixels, where: Mask) -> Pixels:
    mean = _mean(values, where)
    return np.asarray(np.sqrt(_mean((values - mean[:, None]) ** 2, where)) / (mean + 10), np.float32)
