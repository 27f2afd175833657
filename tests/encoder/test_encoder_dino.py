import math

import numpy as np
import pytest

from ctc_core._torch import nn, torch
from ctc_core.encoder import dino


def loss_by_hand(student, teacher, centre):
    """The authors' loop over pairs of views, in numpy, one crop at a time."""
    terms = []
    for t, target_scores in enumerate(teacher):
        for s, scores in enumerate(student):
            if s == t:
                continue
            per_crop = []
            for i in range(len(scores)):
                target = np.exp((target_scores[i] - centre) / 0.04)
                target /= target.sum()
                p = np.exp(scores[i] / 0.1)
                per_crop.append(-(target * np.log(p / p.sum())).sum())
            terms.append(np.mean(per_crop))
    return np.mean(terms)


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (7, 3, 11)), rng.uniform(-1, 1, (2, 3, 11)), rng.uniform(-0.5, 0.5, 11)


def test_loss_is_the_authors_loop(scores):
    ours = dino.dino_loss(*(torch.from_numpy(x) for x in scores))
    assert ours.item() == pytest.approx(loss_by_hand(*scores), abs=1e-10)


def test_the_teacher_gets_no_gradient(scores):
    student, teacher, centre = (torch.from_numpy(x).requires_grad_() for x in scores)
    dino.dino_loss(student, teacher, centre).backward()
    assert teacher.grad is None
    assert centre.grad is None
    assert student.grad.abs().sum() > 0


def test_centre_moves_a_tenth_of_the_way():
    teacher = torch.tensor([[[1.0, 0.0], [3.0, 0.0]], [[5.0, 2.0], [7.0, 2.0]]])
    torch.testing.assert_close(dino.update_centre(torch.tensor([1.0, 1.0]), teacher), torch.tensor([1.3, 1.0]))


def test_entropies_tell_one_score_from_all():
    same = torch.tensor([9.0, 0, 0, 0]).expand(2, 5, 4)
    assert dino.teacher_entropy(same, torch.zeros(4)) == pytest.approx((0, 0), abs=1e-6)
    assert dino.teacher_entropy(torch.zeros(2, 5, 4), torch.zeros(4)) == pytest.approx((math.log(4), math.log(4)))
    spread = 9 * torch.eye(4).expand(2, 4, 4)
    assert dino.teacher_entropy(spread, torch.zeros(4)) == pytest.approx((0, math.log(4)), abs=1e-6)


def test_head_has_the_papers_shape_and_bounded_scores():
    head = dino.Head(out_dim=10)
    sizes = [tuple(layer.weight.shape) for layer in head.mlp if isinstance(layer, nn.Linear)]
    assert sizes == [(2048, 128), (2048, 2048), (256, 2048)]
    scores = head(torch.randn(4, 128))
    assert scores.shape == (4, 10)
    assert scores.abs().max() <= 1  # a cosine: both sides have length 1
    torch.testing.assert_close(head.last.weight.norm(dim=1), torch.ones(10))


def test_frozen_last_layer_stays_and_its_lengths_always_do():
    head = dino.Head(out_dim=10, hidden=16)
    optimizer = torch.optim.SGD([p for p in head.parameters() if p.requires_grad], lr=1.0)

    def step(*, frozen):
        before = head.last.weight.detach().clone()
        optimizer.zero_grad()
        head(torch.randn(4, 128)).square().sum().backward()
        if frozen:
            head.freeze_last()
        optimizer.step()
        return torch.equal(head.last.weight, before)

    assert step(frozen=True) is True
    assert step(frozen=False) is False
    torch.testing.assert_close(head.last.weight.norm(dim=1), torch.ones(10))


def test_teacher_is_the_running_mean_of_parameters_only():
    student, teacher = (nn.BatchNorm1d(1) for _ in range(2))
    student.weight.data.fill_(3)
    student.running_mean.fill_(8)
    dino.update_teacher(teacher, student, 0.75)
    assert (teacher.weight.item(), teacher.running_mean.item(), student.weight.item()) == (1.5, 0, 3)


@pytest.mark.parametrize(
    ("step", "value"), [(0, 0.04), (25, 0.04 + 0.36 * (1 - math.sqrt(0.5)) / 2), (50, 0.22), (100, 0.4), (120, 0.4)]
)
def test_cosine(step, value):
    assert dino.cosine(step, 100, 0.04, 0.4) == pytest.approx(value)


def test_cosine_over_no_steps_is_at_its_end():
    assert dino.cosine(0, 0, 1.0, 2.0) == 2.0


@pytest.mark.parametrize(("step", "value"), [(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (60, 0.51), (110, 0.02)])
def test_warmup_cosine(step, value):
    assert dino.warmup_cosine(step, 110, 10, 1.0, 0.02) == pytest.approx(value)


def test_only_matrices_decay():
    student = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    student[1].weight.requires_grad = False
    decayed, plain = dino.parameter_groups(student)
    assert [p.shape for p in decayed["params"]] == [(2, 3)]
    assert [p.shape for p in plain["params"]] == [(2,), (2,)]
    assert plain["weight_decay"] == 0.0
