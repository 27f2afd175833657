"""Views of a photograph for DINO, global and local, from three-channel fluorescence.

Adapted from the paper's list, which is made for photographs. Kept: random resized crop, rotation by any angle, flips,
blur, brightness and contrast. Changed: brightness and contrast act on each channel by itself (gain, offset, gamma),
because stain strength and page stretch vary by themselves; noise is added. Left out: hue, greyscale, inversion,
solarisation, equalisation: they exchange or destroy the channels' levels, and CD45 beside CK tells leukocyte from CTC.
Gain and gamma stay moderate for the same reason, and windows keep nearly the same size, because a cell's size tells
it from a point. The cell in question sits in the crop's centre, so every view holds part of the centre; local crops of
neighbours would teach the network to describe neighbours. Most of what may vary differs between the two
photographs already (`simulate.render_pairs`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ctc_core._torch import nn, torch
from ctc_core.types import CROP_PX

N_GLOBAL = 2


@dataclass(frozen=True)
class View:
    """How one kind of view is drawn. Lengths in pixels of the crop, intensities as a share of the range."""

    px: int
    """Edge of the view; near the mean edge of its window, so that cells keep their size."""
    area: tuple[float, float]
    """Share of the crop's area that the window covers."""
    blur: float
    """Probability of a Gaussian blur, sigma 0.3 to 1.2 px (the optics' own is about 1)."""
    count: int = 1
    shift_px: float = CROP_PX
    """Furthest that the window's centre lies from the crop's; less where the window would leave the crop or
    the middle."""


@dataclass(frozen=True)
class Jitter:
    """Strength of the intensity changes; each is drawn per crop, view and channel."""

    gain: float = 0.1
    """Standard deviation of the log gain."""
    gamma: float = 0.05
    """Standard deviation of the log exponent."""
    offset: float = 0.02
    """Standard deviation: the background is the patient's, not the cell's."""
    noise: float = 0.015
    """Largest standard deviation of the noise added to a pixel."""


FAINT = Jitter(gain=0.0, gamma=0.0, offset=0.0, noise=0.02)
"""Noise and nothing else."""


def turned(px: int) -> View:
    """The whole crop at any angle."""
    return View(px, (1.0, 1.0), blur=0.0)


def views(global_px: int, local_px: int, local_count: int) -> tuple[View, View]:
    """Views of one photograph: a global one, and local ones from around the middle; cells keep their size."""
    return (
        View(global_px, _area(global_px), blur=0.2, shift_px=2),
        View(local_px, _area(local_px), blur=0.2, shift_px=5, count=local_count),
    )


def _area(px: int) -> tuple[float, float]:
    """Shares of the crop's area of windows whose edge is `px` within 5 %."""
    return min((0.95 * px / CROP_PX) ** 2, 1), min((1.05 * px / CROP_PX) ** 2, 1)


def multi_crop(
    pixels: torch.Tensor, kinds: tuple[View, ...], jitter: Jitter, generator: torch.Generator
) -> list[torch.Tensor]:
    """(n, 3, 48, 48) in [0, 1] -> per kind (count * n, 3, px, px) in [0, 1]; view v of crop i is row v * n + i."""
    return [_draw(pixels.repeat(kind.count, 1, 1, 1), kind, jitter, generator) for kind in kinds]


def _draw(pixels: torch.Tensor, kind: View, jitter: Jitter, generator: torch.Generator) -> torch.Tensor:
    window = _window(pixels, kind, generator)
    blurred = _blur(window, kind.blur, generator)
    return _intensity(blurred, jitter, generator)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def _window(pixels: torch.Tensor, kind: View, generator: torch.Generator) -> torch.Tensor:
    """A square window of random size, place, angle and handedness, resampled once; mirrored beyond the edge."""
    n = len(pixels)
    half = _uniform(n, *kind.area, generator).sqrt()  # half edge where the crop reaches from -1 to 1
    # The window stays inside the crop before it turns and keeps the middle: the centre is at most its half edge away.
    reach = torch.minimum(1 - half, half).clamp(max=2 * kind.shift_px / CROP_PX) * (1 / math.sqrt(2))
    centre = torch.stack([_uniform(n, -1, 1, generator), _uniform(n, -1, 1, generator)], 1) * reach[:, None]
    angle = _uniform(n, 0, 2 * math.pi, generator)
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * half, angle.sin() * half
    theta = torch.stack(
        [torch.stack([cos * flip, -sin, centre[:, 0]], 1), torch.stack([sin * flip, cos, centre[:, 1]], 1)], 1
    )
    grid = nn.functional.affine_grid(theta, [n, 3, kind.px, kind.px], align_corners=False)
    return nn.functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _blur(pixels: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """7 x 7 Gaussian of its own sigma per view, with the given probability."""
    n, channels, height, width = pixels.shape
    chosen = torch.rand(n, generator=generator) < probability
    sigma = torch.where(chosen, _uniform(n, 0.3, 1.2, generator), 0.01)  # 0.01 px: the kernel is one pixel
    offset = torch.arange(-3, 4)
    kernel = torch.softmax(-0.5 * (offset / sigma[:, None]) ** 2, dim=1).repeat_interleave(channels, 0)
    flat = nn.functional.pad(pixels, (3, 3, 3, 3), mode="replicate").reshape(1, n * channels, height + 6, width + 6)
    rows = nn.functional.conv2d(flat, kernel[:, None, :, None], groups=n * channels)
    both = nn.functional.conv2d(rows, kernel[:, None, None, :], groups=n * channels)
    return both.reshape(n, channels, height, width)


def _intensity(pixels: torch.Tensor, jitter: Jitter, generator: torch.Generator) -> torch.Tensor:
    n, channels = pixels.shape[:2]

    def normal(sd: float) -> torch.Tensor:
        return sd * torch.randn(n, channels, 1, 1, generator=generator)

    level = pixels.clamp(1e-4, 1) ** normal(jitter.gamma).exp() * normal(jitter.gain).exp() + normal(jitter.offset)
    strength = jitter.noise * torch.rand(n, channels, 1, 1, generator=generator)
    return (level + strength * torch.randn(pixels.shape, generator=generator)).clamp(0, 1)


assert CROP_PX == 48
