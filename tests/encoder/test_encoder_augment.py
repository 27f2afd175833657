import numpy as np
import pytest

from ctc_core._torch import torch
from ctc_core.encoder import augment
from ctc_core.encoder.augment import Jitter, View, multi_crop

STILL = Jitter(gain=0, gamma=0, offset=0, noise=0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def crops(n=2):
    return torch.from_numpy(np.random.default_rng(0).random((n, 3, 48, 48), dtype=np.float32))


def test_a_global_and_three_local_views_in_range():
    drawn = multi_crop(crops(4), augment.views(40, 24, 3), Jitter(), generator())
    assert [tuple(v.shape) for v in drawn] == [(4, 3, 40, 40), (12, 3, 24, 24)]
    assert all(v.min() >= 0 and v.max() <= 1 for v in drawn)


def test_the_same_generator_gives_the_same_views():
    first, again, other = (
        multi_crop(crops(), augment.views(40, 24, 1), Jitter(), generator(seed)) for seed in (0, 0, 1)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("px", [24, 32, 40])
def test_cells_keep_their_size(px):
    """The edge of a window differs by up to 5 %, so a disc's area by up to 11 %."""
    axis = torch.arange(48) - 23.5
    disc = ((axis[:, None] ** 2 + axis**2) < 8**2).float().expand(20, 3, 48, 48)
    (drawn, _) = multi_crop(disc, augment.views(px, px, 1), STILL, generator())
    area = drawn.sum((2, 3)) / disc[0, 0].sum()
    assert ((area > 0.89) & (area < 1.12)).all()
    assert area.std() > 0.02


def test_a_window_strays_no_further_than_it_may():
    dot = torch.zeros(64, 3, 48, 48)
    dot[..., 23:25, 23:25] = 1
    (drawn,) = multi_crop(dot, (View(24, (0.25, 0.25), blur=0, shift_px=3),), STILL, generator())
    axis = torch.arange(24) - 11.5
    total = drawn.sum((2, 3))
    off = torch.hypot((drawn.sum(2) * axis).sum(-1) / total, (drawn.sum(3) * axis).sum(-1) / total)
    assert 1 < off.max() < 3.1


def test_views_of_a_crop_lie_a_batch_apart():
    pixels = torch.stack([torch.full((3, 48, 48), level) for level in (0.25, 0.75)])
    (drawn,) = multi_crop(pixels, (View(24, (0.1, 0.5), blur=0, count=3),), STILL, generator())
    torch.testing.assert_close(drawn.mean((1, 2, 3)), torch.tensor([0.25, 0.75] * 3))


def test_channels_keep_their_places_and_proportions_without_jitter():
    pixels = torch.tensor([0.2, 0.4, 0.8]).reshape(1, 3, 1, 1).expand(5, 3, 48, 48)
    (drawn,) = multi_crop(pixels, (View(40, (0.5, 1.0), blur=1),), STILL, generator())
    torch.testing.assert_close(drawn, torch.tensor([0.2, 0.4, 0.8]).reshape(1, 3, 1, 1).expand(5, 3, 40, 40))


def test_a_whole_window_is_only_turned_and_mirrored():
    """A disc in the middle stays one: same size at any angle."""
    axis = torch.arange(48) - 23.5
    disc = ((axis[:, None] ** 2 + axis**2) < 15**2).float().expand(8, 3, 48, 48)
    (drawn,) = multi_crop(disc, (View(48, (1.0, 1.0), blur=0),), STILL, generator())
    assert (drawn - disc).abs().mean() < 0.02


@pytest.mark.parametrize("area", [(0.1, 0.1), (0.3, 0.3), (0.5, 1.0)])
def test_every_view_holds_the_middle(area):
    dot = torch.zeros(64, 3, 48, 48)
    dot[..., 22:26, 22:26] = 1
    (drawn,) = multi_crop(dot, (View(24, area, blur=0),), STILL, generator())
    assert (drawn.amax((1, 2, 3)) > 0.5).all()


def test_blur_keeps_the_light_and_lowers_the_peak():
    dot = torch.zeros(6, 3, 21, 21)
    dot[..., 10, 10] = 1
    blurred, untouched = (augment._blur(dot, probability, generator()) for probability in (1.0, 0.0))
    torch.testing.assert_close(blurred.sum((2, 3)), torch.ones(6, 3), atol=1e-5, rtol=0)
    assert (blurred.amax((2, 3)) < 0.999).all()
    torch.testing.assert_close(untouched, dot)


def test_jitter_is_moderate_and_each_channels_own():
    grey = torch.full((400, 3, 4, 4), 0.4)
    level = augment._intensity(grey, Jitter(noise=0), generator()).mean((2, 3))
    assert 0.05 < level.std() / 0.4 < 0.3
    assert abs(np.corrcoef(level.T.numpy())[np.triu_indices(3, 1)]).max() < 0.2
